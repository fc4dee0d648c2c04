//! An editor that works on a target: a script on the standard input of a shell brings its server up there, and a proxy on the
//! same connection leads to it.

use super::{assert_echoes, through_proxy};
use crate::harness::{World, free_port};

/// What Visual Studio Code's remote extension does, in the same steps: what host is it, is the server there already, install it,
/// start it in the background, wait for its port, and stay.
const START_UP: &str = r#"
echo "4f2a: running"
unset DISPLAY
SERVER_DATA_DIR="$HOME/.vscode-server"
SERVER_DIR="$SERVER_DATA_DIR/bin/0f0d87fa9e96c856c5212fc86db137ac0d783365"
PLATFORM="$(uname -s)"
ARCH="$(uname -m)"
case $PLATFORM in
    Linux) echo "platform==linux==" ;;
    *) echo "unsupported platform: $PLATFORM" >&2; exit 1 ;;
esac
mkdir -p "$SERVER_DIR/bin" && chmod 700 "$SERVER_DATA_DIR" || exit 1
get_pids() {
    ps -o pid=,args= -U "$(id -u)" 2>/dev/null | grep "$SERVER_DIR/bin/code-server" | grep -v grep
}
if [ ! -f "$SERVER_DIR/bin/code-server" ]; then
    if ! command -v python3 > /dev/null; then
        echo "python3 is missing"
        exit 1
    fi
    cat > "$SERVER_DIR/bin/code-server" <<'SERVER'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("Extension host agent listening on", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while data := connection.recv(65536):
    connection.sendall(data)
SERVER
    [ $? -eq 0 ] && echo "Installed"
fi
LOG="$SERVER_DATA_DIR/.cli.log"
if [ -z "$(get_pids)" ]; then
    python3 "$SERVER_DIR/bin/code-server" > "$LOG" 2>&1 < /dev/null &
    echo $! > "$SERVER_DATA_DIR/.cli.pid"
fi
for i in $(seq 1 300); do
    PORT="$(sed -n 's/^Extension host agent listening on \([0-9]*\)$/\1/p' "$LOG" 2> /dev/null)"
    [ -n "$PORT" ] && break
    sleep 0.1
done
printf 'listeningOn==%s==\narch==%s==\n' "$PORT" "$ARCH"
echo "4f2a: end"
"#;

#[test]
fn its_start_up_is_not_asked_about_and_its_server_is_reached_on_the_same_connection() {
    let world = World::with(|config| {
        config.policies = config
            .policies
            .replace("[\"shell\", \"exec\"]", "[\"shell\", \"exec\", \"local-forward\"]");
    });
    let proxy = free_port();
    let home = format!("HOME='{}'\n", world.trace("home").display());
    let mut client = world
        .alice()
        .arg("-T")
        .arg("-D")
        .arg(&format!("127.0.0.1:{proxy}"))
        .start("sh");
    client.send(home.as_bytes());
    client.send(START_UP.as_bytes());
    let said = client.stdout.expect("4f2a: end");
    let port = said
        .split("listeningOn==")
        .nth(1)
        .and_then(|rest| rest.split("==").next());
    let port: u16 = port.unwrap().parse().unwrap();

    assert_echoes(
        &through_proxy(proxy, "127.0.0.1", port),
        b"what an editor says to its server",
    );
    client.send(b"exit 7\n");
    assert_eq!(client.wait(), 7);

    let rows = world.bastion.rows_when("the proxy's end", |rows| {
        rows.iter()
            .any(|row| row.command == format!("connect 127.0.0.1:{port}") && row.is_final())
    });
    let reader = rows.iter().find(|row| row.command == "sh").unwrap();
    let script: Vec<_> = rows.iter().filter(|row| row.parent_id == Some(reader.id)).collect();
    assert!(script.len() > 12, "{rows:#?}");
    for row in &rows {
        assert_eq!((row.state.as_str(), row.user_confirmed), ("finished", None), "{row:#?}");
        assert_eq!(row.exactness, "exact", "{row:#?}");
    }
}
