//! The messages of SSH that are heard, counted against the sources.

use super::sources::Source;

/// A message by its handler, and the source that drives it.
type Message = (&'static str, Option<Source>);

/// Every message of SSH that the daemon hears, with the source that drives it with hostile text; none where it has no text.
const HANDLERS: &[(&str, &[Message])] = &[
    (
        "src/gateway/client.rs",
        &[
            ("auth_none", None), // Its name is heard as that of any other method.
            ("auth_publickey_offered", Some(Source::Login)),
            ("auth_publickey", Some(Source::Login)),
            ("auth_openssh_certificate", None), // A certificate names what its CA has signed.
            ("auth_password", Some(Source::Login)),
            ("auth_keyboard_interactive", Some(Source::Login)),
            ("auth_succeeded", Some(Source::ClientVersion)),
            ("channel_open_session", None),
            ("channel_open_direct_tcpip", Some(Source::Forward)),
            ("data", Some(Source::ShellLine)),
            ("window_adjusted", None),
            ("pty_request", Some(Source::Environment)),
            ("env_request", Some(Source::Environment)),
            ("shell_request", None),
            ("exec_request", Some(Source::Exec)),
            ("subsystem_request", Some(Source::Subsystem)),
            ("window_change_request", None),
            ("x11_request", Some(Source::Environment)),
            ("agent_request", None),
            ("channel_open_direct_streamlocal", Some(Source::Forward)),
            ("tcpip_forward", Some(Source::Forward)),
            ("cancel_tcpip_forward", Some(Source::Forward)),
            ("streamlocal_forward", Some(Source::Forward)),
            ("cancel_streamlocal_forward", Some(Source::Forward)),
            ("channel_close", None),
        ],
    ),
    (
        "src/gateway/target.rs",
        &[
            ("check_server_key", None),
            ("kex_done", Some(Source::Target)),
            ("server_channel_open_forwarded_tcpip", None), // Nothing is listened on: these are refused, whatever they say.
            ("server_channel_open_forwarded_streamlocal", None),
            ("server_channel_open_agent_forward", None),
            ("server_channel_open_x11", None),
            ("server_channel_open_session", None),
            ("server_channel_open_direct_tcpip", None),
            ("server_channel_open_direct_streamlocal", None),
        ],
    ),
];

#[test]
fn every_message_that_is_heard_is_among_the_sources() {
    for (file, known) in HANDLERS {
        let source = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (_, handler) = source.split_once("Handler for ").unwrap();
        let (handler, _) = handler.split_once("\n}\n").unwrap();
        let heard: Vec<&str> = handler
            .lines()
            .filter_map(|line| line.strip_prefix("    async fn "))
            .map(|line| line.split(['(', '<']).next().unwrap())
            .collect();
        assert_eq!(heard, known.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{file}");
        assert!(
            known
                .iter()
                .filter_map(|(_, source)| *source)
                .all(|source| Source::ALL.contains(&source))
        );
    }
}
