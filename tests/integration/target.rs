//! The control: what the other tests take for granted of the target is so without a bastion.

use crate::harness::{READY, Sshd};

#[test]
fn an_exec_gives_its_bytes_and_its_exit_code() {
    let target = Sshd::start();
    let output = target.direct().stdin("in").run("cat; printf err >&2; exit 3");
    assert_eq!(
        (output.code, output.text().as_str(), output.stderr.as_str()),
        (3, "in", "err")
    );
    assert_eq!((target.logins(), target.sessions()), (1, 1));
}

#[test]
fn a_shell_has_its_own_home_and_the_plain_prompt() {
    let target = Sshd::start();
    let mut terminal = target.direct().terminal("");
    terminal.expect(READY);
    assert!(
        terminal
            .run("echo ~")
            .ends_with(&format!("{}\n", target.home().display()))
    );
    assert!(terminal.run("stty size").ends_with("24 100\n"));
    terminal.resize(40, 120);
    // readline draws its prompt anew when it hears of it.
    terminal.expect(READY);
    assert!(terminal.run("stty size").ends_with("40 120\n"));
    terminal.send("for i in 1 2\rdo echo n$i\rdone\r");
    terminal.expect("\nn2\n");
    terminal.expect(READY);
    assert!(terminal.run("echo onex\u{7f}\u{7f}e2").ends_with("\none2\n"));
    terminal.line("(trap 'echo caught; exit' INT; echo up; sleep 60)");
    terminal.expect("\nup\n");
    terminal.send("\u{3}");
    terminal.expect("caught\n");
    terminal.expect(READY);
    terminal.line("exit 5");
    assert_eq!(terminal.finish(), 5);
}
