//! Where text of others comes in. Each source is driven with the whole corpus, by real clients through the real daemon.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use russh::ChannelMsg;
use tokio::runtime::Runtime;

use super::client::{Client, rest, settled, together, until};
use super::corpus::{CORPUS, lossy};
use crate::harness::http::bearer;
use crate::harness::{Api, DEADLINE, RISKY};

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The names of a login: user, target, login part.
    Login,
    /// What a client calls itself.
    ClientVersion,
    /// The text of an exec request, run and asked about.
    Exec,
    /// Lines of a script on standard input.
    Script,
    /// Lines of an interactive shell.
    ShellLine,
    /// Variables, the terminal's name, X11's words.
    Environment,
    /// Subsystems' names.
    Subsystem,
    /// Hosts and sockets of forwards.
    Forward,
    /// Destinations of a jump.
    Jump,
    /// Names of files over SFTP.
    FileName,
    /// Words at the console, and what is typed at its menu.
    Console,
    /// What is said of commands and tokens.
    Comment,
    /// Paths, queries, headers and bodies of HTTP.
    Http,
    /// Arguments of the command line.
    Arguments,
    /// What a target says: version, banner, facts, signals, reasons, farewells.
    Target,
}

impl Source {
    /// All of them; the configuration's texts beside: sentences of rules, keys' comments, labels.
    pub(super) const ALL: [Self; 15] = [
        Self::Login,
        Self::ClientVersion,
        Self::Exec,
        Self::Script,
        Self::ShellLine,
        Self::Environment,
        Self::Subsystem,
        Self::Forward,
        Self::Jump,
        Self::FileName,
        Self::Console,
        Self::Comment,
        Self::Http,
        Self::Arguments,
        Self::Target,
    ];

    /// Has the whole corpus come in this way; gives what the bastion itself said to who sent it.
    pub(super) fn drive(self, stage: &Stage) -> Vec<Said> {
        let driven = async {
            match self {
                Self::Login => stage.login().await,
                Self::ClientVersion => stage.client_version().await,
                Self::Exec => stage.exec().await,
                Self::Script => stage.script().await,
                Self::ShellLine => stage.shell_line().await,
                Self::Environment => stage.environment().await,
                Self::Subsystem => stage.subsystem().await,
                Self::Forward => stage.forward().await,
                Self::Jump => stage.jump().await,
                Self::FileName => stage.file_name().await,
                Self::Console => stage.console().await,
                Self::Comment => stage.comment(),
                Self::Http => stage.http(),
                Self::Arguments => stage.arguments(),
                Self::Target => stage.target().await,
            }
        };
        stage.runtime.block_on(driven)
    }
}

/// Something that the bastion said.
#[derive(Debug)]
pub(super) struct Said {
    /// The class of the text that led to it.
    pub(super) class: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// A daemon with everything turned on.
pub(super) struct Stage {
    pub(super) api: Api,
    pub(super) runtime: Runtime,
}

/// A file of SFTP, opened by its name: the packets of a client (draft-ietf-secsh-filexfer-02).
fn sftp_open(name: &[u8]) -> Vec<u8> {
    let packet = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let init = packet(&[1, 0, 0, 0, 3]);
    let length = u32::try_from(name.len()).unwrap().to_be_bytes();
    let open = [&[3, 0, 0, 0, 7], length.as_slice(), name, &[0, 0, 0, 2], &[0, 0, 0, 0]].concat();
    [init, packet(&open)].concat()
}

impl Stage {
    fn port(&self) -> u16 {
        self.api.world.bastion.config.port
    }

    /// A connection of alice by this name.
    pub(super) async fn alice(&self, name: &str) -> Client {
        let key = self.api.world.bastion.dir().join("alice");
        Client::logged_in(self.port(), "test", name, &key).await.unwrap()
    }

    async fn login(&self) -> Vec<Said> {
        let names = |text: &[u8]| {
            let text = lossy(text);
            [
                text.clone(),
                format!("alice@{text}"),
                format!("alice@{text}@web-1"),
                format!("alice+{text}"),
            ]
        };
        let names: Vec<String> = CORPUS.iter().flat_map(|(_, text)| names(text)).collect();
        // Each wrong password takes a second.
        for some in names.chunks(80) {
            together(some.iter().map(|name| self.knock(name))).await;
        }
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            let key = self.api.world.bastion.dir().join("alice");
            let name = format!("alice@{}@web-1", lossy(text));
            let key = russh::keys::PrivateKey::read_openssh_file(&key).unwrap();
            let key = russh::keys::PrivateKeyWithHashAlg::new(std::sync::Arc::new(key), None);
            let mut client = Client::connect(self.port(), "test").await.unwrap();
            // Where the text can be a login, it is refused in words.
            if client
                .connection
                .authenticate_publickey(name, key)
                .await
                .is_ok_and(|result| result.success())
            {
                let told = client.run(b"true").await;
                assert_eq!(told.code, Some(126));
                said.push(Said {
                    class,
                    bytes: [told.stdout, told.stderr].concat(),
                });
            }
        }
        said
    }

    async fn knock(&self, name: &str) {
        let mut stranger = Client::connect(self.port(), "test").await.unwrap();
        // A name that cannot be one may end the connection.
        let attempt = stranger.connection.authenticate_password(name, "wrong").await;
        assert!(!attempt.is_ok_and(|attempt| attempt.success()));
    }

    async fn client_version(&self) -> Vec<Said> {
        let key = self.api.world.bastion.dir().join("alice");
        let mut admitted = 0;
        for (_, text) in CORPUS {
            let version: String = lossy(text)
                .chars()
                .filter(|character| !matches!(character, '\r' | '\n'))
                .take(60)
                .collect();
            // Some versions are refused at once.
            if let Ok(client) = Client::logged_in(self.port(), &version, "alice@web-1", &key).await {
                assert_eq!(client.run(b"true").await.code, Some(0));
                admitted += 1;
            }
        }
        assert!(admitted > CORPUS.len() / 2, "{admitted}");
        Vec::new()
    }

    async fn exec(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        let mut said = Vec::new();
        for some in CORPUS.chunks(10) {
            together(some.iter().map(|(_, text)| run_quoted(&alice, text))).await;
        }
        for (class, text) in CORPUS {
            let risky = [RISKY.as_bytes(), b" '", text, b"'"].concat();
            if text.contains(&0) {
                let refused = alice.run(&risky).await;
                said.push(Said {
                    class,
                    bytes: [refused.stdout, refused.stderr].concat(),
                });
            } else {
                said.push(Said {
                    class,
                    bytes: alice.leave_held(&risky).await,
                });
            }
        }
        said
    }

    async fn script(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        for some in CORPUS.chunks(10) {
            together(some.iter().map(|(_, text)| run_script(&alice, text))).await;
        }
        Vec::new()
    }

    /// What a line editor takes as text: no C0 controls. Each is asked about, and refused.
    async fn shell_line(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        let mut channel = alice.session().await;
        channel.set_env(false, "NO_COLOR", "1").await.unwrap();
        channel.request_pty(true, "xterm", 100, 24, 0, 0, &[]).await.unwrap();
        channel.request_shell(true).await.unwrap();
        until(&mut channel, crate::harness::READY.as_bytes()).await;
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            if text.iter().any(|byte| *byte < 0x20 || *byte == b'\'' || *byte == 0x7f) || text.len() > 1000 {
                continue;
            }
            let line = format!("{RISKY} '{}'\r", lossy(text));
            channel.data_bytes(line.into_bytes()).await.unwrap();
            let told = until(&mut channel, b"[y/N] ").await;
            // Before it stands what the shell has echoed; from here on these are opspilot's words alone.
            let begin = memchr::memmem::rfind(&told, "┌─".as_bytes()).unwrap();
            let question = told[begin..].to_vec();
            channel.data_bytes(b"\x03".to_vec()).await.unwrap();
            until(&mut channel, crate::harness::READY.as_bytes()).await;
            said.push(Said { class, bytes: question });
        }
        assert!(said.len() > 15, "{}", said.len());
        channel.data_bytes(b"exit\r".to_vec()).await.unwrap();
        rest(channel).await;
        said
    }

    async fn environment(&self) -> Vec<Said> {
        for (_, text) in CORPUS {
            // What no terminal or variable can be called ends the connection.
            let alice = self.alice("alice@web-1").await;
            let text = lossy(text);
            let channel = alice.session().await;
            channel.set_env(false, text.clone(), "value").await.unwrap();
            channel.set_env(false, "LC_HOSTILE", text.clone()).await.unwrap();
            channel
                .request_x11(false, false, text.clone(), text.clone(), 0)
                .await
                .unwrap();
            channel.request_pty(false, &text, 80, 24, 0, 0, &[]).await.unwrap();
            channel.exec(false, "true").await.unwrap();
            rest(channel).await;
        }
        Vec::new()
    }

    async fn subsystem(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            let channel = alice.session().await;
            channel.request_subsystem(false, lossy(text)).await.unwrap();
            let told = rest(channel).await;
            assert_eq!(told.code, Some(126), "{class}");
            said.push(Said {
                class,
                bytes: [told.stdout, told.stderr].concat(),
            });
        }
        said
    }

    async fn forward(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        for (_, text) in CORPUS {
            let text = lossy(text);
            let connection = &alice.connection;
            assert!(
                connection
                    .channel_open_direct_tcpip(text.clone(), 80, text.clone(), 1)
                    .await
                    .is_err()
            );
            assert!(
                connection
                    .channel_open_direct_streamlocal(format!("/nowhere/{text}"))
                    .await
                    .is_err()
            );
            assert!(connection.tcpip_forward(text.clone(), 80).await.is_err());
            assert!(
                connection
                    .streamlocal_forward(format!("/nowhere/{text}"))
                    .await
                    .is_err()
            );
        }
        Vec::new()
    }

    async fn jump(&self) -> Vec<Said> {
        let console = self.alice("alice").await;
        for (_, text) in CORPUS {
            assert!(
                console
                    .connection
                    .channel_open_direct_tcpip(lossy(text), 22, "x", 1)
                    .await
                    .is_err()
            );
        }
        Vec::new()
    }

    async fn file_name(&self) -> Vec<Said> {
        let alice = self.alice("alice@web-1").await;
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            let mut channel = alice.session().await;
            channel.request_subsystem(false, "sftp").await.unwrap();
            let name = [b"/denied/".as_slice(), text].concat();
            channel.data_bytes(sftp_open(&name)).await.unwrap();
            // The version, and the refusal of the file.
            let mut answered = Vec::new();
            while answered.len() < 13 {
                match tokio::time::timeout(DEADLINE, channel.wait()).await.unwrap() {
                    Some(ChannelMsg::Data { data }) => answered.extend_from_slice(&data),
                    Some(ChannelMsg::ExtendedData { data, .. }) => said.push(Said {
                        class,
                        bytes: data.to_vec(),
                    }),
                    Some(_) => {}
                    None => break,
                }
            }
            channel.eof().await.unwrap();
            let told = rest(channel).await;
            said.push(Said {
                class,
                bytes: told.stderr,
            });
        }
        said
    }

    async fn console(&self) -> Vec<Said> {
        let console = self.alice("alice").await;
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            for word in ["", "confirm ", "targets ", "history ", "feedback 1 5 ", "feedback "] {
                let told = console.run(&[word.as_bytes(), text].concat()).await;
                said.push(Said {
                    class,
                    bytes: [told.stdout, told.stderr].concat(),
                });
            }
        }
        let mut menu = console.session().await;
        // A terminal that only writes: nothing is drawn over.
        menu.request_pty(true, "dumb", 80, 24, 0, 0, &[]).await.unwrap();
        menu.request_shell(true).await.unwrap();
        until(&mut menu, b"> ").await;
        for (class, text) in CORPUS {
            if text.iter().any(|byte| matches!(byte, 0x03 | 0x04)) {
                continue;
            }
            menu.data_bytes([b"\x15", *text, b"\x15"].concat()).await.unwrap();
            let shown = settled(&mut menu, Duration::from_millis(20)).await;
            said.push(Said { class, bytes: shown });
        }
        menu.close().await.unwrap();
        said
    }

    fn comment(&self) -> Vec<Said> {
        let mut said = Vec::new();
        for (class, text) in CORPUS.iter().filter(|(_, text)| !text.contains(&0)) {
            let text = lossy(text);
            let comment = format!("--comment={text}");
            said.push(self.opspilot(class, &["feedback", "1", "--rating", "3", &comment]));
            said.push(self.opspilot(class, &["token", "add", "--user", "bob", "--scope", "ask", &comment]));
            let body = serde_json::json!({"id": 1, "rating": 2, "comment": text}).to_string();
            said.push(Said {
                class,
                bytes: self.post("/ml/feedback", &body),
            });
        }
        said
    }

    /// Runs `opspilot` with this configuration.
    fn opspilot(&self, class: &'static str, arguments: &[&str]) -> Said {
        let output = self.api.world.bastion.opspilot(arguments);
        Said {
            class,
            bytes: [output.stdout, output.stderr].concat(),
        }
    }

    fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            bearer(self.api.token(0)),
            body.len()
        );
        self.exchange(&[head.as_bytes(), b"Connection: close\r\n\r\n", body.as_bytes()].concat())
    }

    /// Sends bytes over HTTP; gives the body of what is answered.
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.api.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // Who is refused may be hung up on before all is sent.
        stream.write_all(request).unwrap_or_default();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(drop).unwrap_or_default();
        let text = answer.windows(4).position(|window| window == b"\r\n\r\n");
        answer.split_off(text.map_or(0, |end| end + 4))
    }

    fn http(&self) -> Vec<Said> {
        let token = bearer(self.api.token(0));
        let mut said = Vec::new();
        for (class, text) in CORPUS {
            let escaped = text
                .iter()
                .fold(String::new(), |escaped, byte| escaped + &format!("%{byte:02x}"));
            let get = |path: &[u8], header: &[u8]| {
                let parts: [&[u8]; 7] = [
                    b"GET ",
                    path,
                    b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
                    token.as_bytes(),
                    b"\r\n",
                    header,
                    b"\r\n\r\n",
                ];
                Said {
                    class,
                    bytes: self.exchange(&parts.concat()),
                }
            };
            said.push(get(&[b"/", *text].concat(), b"X-A: b"));
            said.push(get(format!("/{escaped}").as_bytes(), b"X-A: b"));
            for path in [
                "/commands/",
                "/sessions/",
                "/commands?text=",
                "/commands?user=",
                "/commands?x=",
                "/export?format=",
            ] {
                said.push(get(format!("{path}{escaped}").as_bytes(), b"X-A: b"));
            }
            said.push(get(b"/healthz", &[b"X-Hostile: ", *text].concat()));
            let command = lossy(text);
            for body in [
                serde_json::json!({"target": "web-1", "command": format!("{RISKY} '{command}'")}),
                serde_json::json!({"target": command, "command": "true"}),
                serde_json::json!({"target": "web-1", "command": "true", "login": command}),
                serde_json::json!({(command.as_str()): 1}),
            ] {
                said.push(Said {
                    class,
                    bytes: self.post("/ask", &body.to_string()),
                });
            }
            said.push(Said {
                class,
                bytes: self.post("/ask", &command),
            });
        }
        said
    }

    fn arguments(&self) -> Vec<Said> {
        let mut said = Vec::new();
        // Each is a process: those that act in another way each.
        for (class, text) in CORPUS.iter().filter(|(_, text)| !text.contains(&0)).step_by(3) {
            let text = lossy(text);
            for arguments in [
                vec!["log", "--", &text],
                vec!["log", "--user", &text],
                vec!["log", "--since", &text],
                vec!["show", &text],
                vec!["score", "--rules-only", "--", &text],
                vec!["policy", "--user", "alice", "--target", "web-1", "--", &text],
                vec![
                    "policy", "--user", "alice", "--target", "web-1", "--login", &text, "true",
                ],
                vec!["policy", "--user", &text, "--target", "web-1", "true"],
                vec!["model", "install", &text],
                vec!["export", "--format", "csv", "-o", "/nowhere/x", "--user", &text],
                vec!["verify", "--head", &text],
                vec!["replay", &text],
            ] {
                said.push(self.opspilot(class, &arguments));
            }
            let elsewhere = crate::harness::opspilot(&["check", "-c", &text]).output().unwrap();
            said.push(Said {
                class,
                bytes: [elsewhere.stdout, elsewhere.stderr].concat(),
            });
            said.push(unknown_argument(class, &text));
        }
        said
    }

    /// What a hostile target says, in each of the places that it has for it.
    async fn target(&self) -> Vec<Said> {
        let mut said = Vec::new();
        for (class, _) in CORPUS {
            let alice = self.alice("alice@hostile").await;
            said.push(Said {
                class,
                bytes: alice.leave_held(RISKY.as_bytes()).await,
            });
            let signal = alice.run(b"signal").await;
            said.push(Said {
                class,
                bytes: signal.stderr,
            });
            assert!(
                alice
                    .connection
                    .channel_open_direct_tcpip("127.0.0.1", 9, "x", 1)
                    .await
                    .is_err()
            );
            let gone = alice.run(b"disconnect").await;
            assert_eq!(gone.code, Some(255), "{class}: {gone:?}");
            said.push(Said {
                class,
                bytes: gone.stderr,
            });
        }
        said
    }
}

/// Runs a command that does nothing with a text.
async fn run_quoted(client: &Client, text: &[u8]) {
    client.run(&[b": '", text, b"'"].concat()).await;
}

/// As [`run_quoted`], by a line of a script.
async fn run_script(client: &Client, text: &[u8]) {
    client.run_fed(b"bash -s", &[b": '", text, b"'\n"].concat()).await;
}

fn unknown_argument(class: &'static str, text: &str) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_opspilot")).arg(text).output().unwrap();
    Said {
        class,
        bytes: [output.stdout, output.stderr].concat(),
    }
}
