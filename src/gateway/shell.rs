//! A request for a shell: what can be known of its lines decides how it is served.

use std::sync::Arc;
use std::time::Instant;

use crate::config::ShellGate as Mode;
use crate::domain::{Channel, Dialect};
use crate::terminal::{LineGate, LoginShell, ScreenGate, ShellGate};

use super::environment::Environment;
use super::exec::attend_opaque_shell;
use super::gated::{GatedTerminal, Over};
use super::heard::Heard;
use super::intake::Intake;
use super::pool::Place;
use super::session::TargetSession;
use super::target::Connection;
use super::target_channel::{StartError, TargetChannel};
use super::user::{Gone, PtyRequest, REFUSED, Voice, fail, refuse, say};

/// Serves a request for a shell.
pub(super) async fn attend(
    session: Arc<TargetSession>,
    pty: Option<PtyRequest>,
    environment: Environment,
    mut ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    if !session.permits(Channel::Shell) {
        // The gate denies it as a whole, and so it is on record.
        return attend_opaque_shell(session, pty, environment, ear, voice).await;
    }
    // A copy: what borrows from the engine keeps it, model and all, for as long as the shell runs.
    let notice = session.gate().engine().config.server.session_notice.clone();
    if pty.is_some() && !notice.is_empty() {
        say(&voice, true, &notice).await?;
    }
    let mode = session.with_target(|target| target.shell_gate).unwrap_or(Mode::Hook);
    let pty = match pty {
        Some(pty) if mode != Mode::Off => pty,
        pty => return attend_opaque_shell(session, pty, environment, ear, voice).await,
    };
    let place = match session.place().await {
        Ok(place) => place,
        Err(error) => return fail(&voice, true, &error.to_string()).await,
    };
    let Some(way) = way_to_lines(&session, &place.connection, mode, &pty).await else {
        if mode == Mode::Hook {
            let reason = "this target allows only shells whose lines the bastion can know";
            return refuse(&voice, true, reason).await;
        }
        return attend_opaque_shell(session, Some(pty), environment, ear, voice).await;
    };
    match start(place, &pty, &environment, way.bootstrap).await {
        Ok(channel) => {
            let mut terminal = GatedTerminal::new(session, way.gate, Channel::Shell, pty, channel, &mut ear, &voice);
            let over = terminal.serve(Vec::new(), &[]).await;
            leave(over, &terminal.heard(), &voice).await
        }
        Err(error) => fail(&voice, true, &error.to_string()).await,
    }
}

/// How a login shell's lines are known.
struct Way {
    gate: LineGate,
    /// What starts the shell with its hook; `None` for the shell as it is.
    bootstrap: Option<Vec<u8>>,
}

/// The surest way to know the lines of the account's shell that `mode` allows, if there is one.
async fn way_to_lines(session: &TargetSession, connection: &Connection, mode: Mode, pty: &PtyRequest) -> Option<Way> {
    let login_shell = match mode {
        Mode::Screen => None,
        Mode::Auto | Mode::Hook | Mode::Off => session.login_shell(connection).await,
    };
    if let Some((gate, bootstrap)) = login_shell.and_then(|shell| ShellGate::login(shell, new_nonce, Instant::now())) {
        return Some(Way {
            gate: gate.into(),
            bootstrap: Some(bootstrap),
        });
    }
    let by_screen = mode == Mode::Screen || (mode == Mode::Auto && connection.has_unix_shells());
    let dialect = login_shell.map_or(Dialect::Bash, LoginShell::dialect);
    let gate = by_screen.then(|| screen_gate(dialect, pty)).flatten()?;
    Some(Way { gate, bootstrap: None })
}

/// A gate that reads lines off the user's screen.
pub(super) fn screen_gate(dialect: Dialect, pty: &PtyRequest) -> Option<LineGate> {
    let (columns, rows) = pty.size.characters();
    ScreenGate::new(dialect, columns, rows).map(LineGate::from)
}

/// Ends the user's channel as the shell ended.
async fn leave(over: Over, heard: &Heard, voice: &Voice) -> Result<(), Gone> {
    match over {
        Over::Target => heard.tell(voice).await,
        Over::Refused => voice.exit(REFUSED).await,
        Over::User => voice.end_unrecorded().await,
    }
}

async fn start(
    place: Place<Connection>,
    pty: &PtyRequest,
    environment: &Environment,
    bootstrap: Option<Vec<u8>>,
) -> Result<TargetChannel, StartError> {
    let mut channel = TargetChannel::open_in(place, Some(pty), environment).await?;
    match bootstrap {
        Some(command) => channel.exec(command).await?,
        None => channel.shell().await?,
    }
    Ok(channel)
}

/// What tells a hook's marks from others.
pub(super) fn new_nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}
