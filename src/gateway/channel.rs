//! One session channel of a user: what it is set up with, and what it turns out to be for.

use std::sync::Arc;

use russh::ChannelMsg;
use tokio_util::sync::CancellationToken;

use crate::config::Restrictions;
use crate::domain::{self, Name, Panicked, sheltered};

use super::Shared;
use super::address::Destination;
use super::auth::Identity;
use super::environment::{Environment, passes_variable};
use super::fault::INTERNAL;
use super::forward::X11Request;
use super::intake::Intake;
use super::session::{Origin, TargetSession};
use super::tape::Tape;
use super::user::{Gone, PtyRequest, Screen, Size, Voice, fail, refuse};
use super::{console, exec, sftp, shell};

/// What the channels of one connection are for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// A target.
    Target(Arc<TargetSession>),
    /// The console.
    Console(Arc<console::Console>),
    /// Nothing; the reason goes to the user.
    Refuse(String),
    /// Nothing, for a reason of the bastion's own.
    Fail(&'static str),
}

impl Purpose {
    /// What somebody may do with the destination that they asked for. The same words whether it exists or not.
    pub(super) fn of(shared: &Arc<Shared>, who: &Identity, origin: Origin, ended: &CancellationToken) -> Self {
        let Some(destination) = &who.destination else {
            let console = console::Console::new(shared.clone(), who.clone(), origin, ended.clone());
            return Self::Console(Arc::new(console));
        };
        let engine = shared.gate.engine();
        let Some(login) = engine.admit(&who.user, &destination.target, destination.login.as_deref()) else {
            tracing::info!(user = %who.user, host = %destination.target, "no policy admits this user there");
            return Self::Refuse(refusal(&who.user, destination));
        };
        let (user, target) = (who.user.clone(), destination.target.clone());
        Self::Target(Arc::new(TargetSession::new(
            shared.clone(),
            user,
            target,
            login,
            origin,
            ended.clone(),
        )))
    }
}

/// Why somebody does not get where they want to. The same words whether it exists or not.
pub(super) fn refusal(user: &Name, destination: &Destination) -> String {
    let target = &destination.target;
    match &destination.login {
        Some(login) => format!("no target `{target}` that {user} may reach as `{login}`"),
        None => format!("no target `{target}` that {user} may reach"),
    }
}

/// What a channel was set up with when its program was asked for.
#[derive(Debug)]
pub(super) struct Setup {
    /// The PTY; `None` without one.
    pub pty: Option<PtyRequest>,
    /// What else surrounds it.
    pub environment: Environment,
    /// What is to run.
    pub program: Program,
}

/// What is to run in a channel.
#[derive(Debug)]
pub(super) enum Program {
    /// One command.
    Exec(Vec<u8>),
    /// The login shell.
    Shell,
    /// A subsystem.
    Subsystem(String),
}

impl Program {
    /// Whether a terminal, where there is one, is the target's.
    fn runs_on_terminal(&self) -> bool {
        !matches!(self, Self::Subsystem(_))
    }
}

/// Serves one channel from its opening to its end, within what the user's key or certificate permits.
pub(super) async fn attend(purpose: Purpose, restrictions: Restrictions, mut ear: Intake, voice: Voice) {
    let Some(setup) = hear_setup(&purpose, restrictions, &mut ear).await else {
        return;
    };
    let served = match purpose {
        Purpose::Refuse(reason) => refuse(&voice, setup.pty.is_some(), &reason).await,
        Purpose::Fail(reason) => fail(&voice, setup.pty.is_some(), reason).await,
        Purpose::Console(console) => Box::pin(console.attend(setup, ear, voice)).await,
        Purpose::Target(session) => attend_target(session, setup, ear, voice).await,
    };
    if served.is_err() {
        tracing::debug!("a user left before the end of a channel");
    }
}

/// Serves a channel of a session on a target. Where that panics, the user is told and the session ends.
pub(super) async fn attend_target(
    session: Arc<TargetSession>,
    setup: Setup,
    ear: Intake,
    voice: Voice,
) -> Result<(), Gone> {
    let (hang_up, has_pty) = (voice.hang_up(), setup.pty.is_some());
    let served = tokio::select! {
        served = sheltered(Box::pin(serve_target(session.clone(), setup, ear, voice))) => served,
        () = session.fault().noted() => Err(Panicked),
    };
    if let Ok(served) = served {
        return served;
    }
    session.fault().note();
    let told = hang_up.end(has_pty, INTERNAL).await;
    session.ended.cancel();
    told
}

async fn serve_target(
    session: Arc<TargetSession>,
    setup: Setup,
    mut ear: Intake,
    mut voice: Voice,
) -> Result<(), Gone> {
    if let Err(error) = session.begin().await {
        tracing::error!(%error, "cannot record a session");
        return fail(
            &voice,
            setup.pty.is_some(),
            "cannot record the session, so nothing is run",
        )
        .await;
    }
    if let Some(pty) = setup.pty.as_ref().filter(|_| setup.program.runs_on_terminal()) {
        let screen = Screen::of(pty);
        ear.show_on(screen.clone());
        voice.show_on(screen);
        match Tape::start(&session, pty).await {
            Ok(Some(tape)) => {
                ear.record_on(tape.clone());
                voice.record_on(tape);
            }
            Ok(None) => {}
            Err(_logged) => return fail(&voice, true, "cannot record this terminal, so nothing is run").await,
        }
    }
    let told = voice.clone();
    tokio::select! {
        served = run(&session, setup, ear, voice) => served,
        never = session.shared.drain.tell(told) => match never {},
    }
}

/// Runs what was asked for.
async fn run(session: &Arc<TargetSession>, setup: Setup, ear: Intake, voice: Voice) -> Result<(), Gone> {
    let environment = setup.environment.agreed(session).await;
    let session = session.clone();
    match setup.program {
        Program::Exec(command) => Box::pin(exec::attend(session, command, setup.pty, environment, ear, voice)).await,
        Program::Shell => Box::pin(shell::attend(session, setup.pty, environment, ear, voice)).await,
        Program::Subsystem(name) if name == sftp::SUBSYSTEM => {
            Box::pin(sftp::attend(session, environment, ear, voice)).await
        }
        Program::Subsystem(name) => {
            let reason = format!("the subsystem `{name}` is not supported");
            refuse(&voice, setup.pty.is_some(), &reason).await
        }
    }
}

/// Hears requests until a program is asked for; `None` when the user left first.
async fn hear_setup(purpose: &Purpose, restrictions: Restrictions, ear: &mut Intake) -> Option<Setup> {
    let (mut pty, mut environment) = (None, Environment::default());
    let (mut no_color, mut ended) = (false, false);
    loop {
        let program = match ear.next().await? {
            ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                pix_width,
                pix_height,
                terminal_modes,
                ..
            } if !restrictions.no_pty => {
                let size = Size {
                    columns: col_width,
                    rows: row_height,
                    width: pix_width,
                    height: pix_height,
                };
                pty = Some(PtyRequest {
                    term,
                    size,
                    modes: terminal_modes,
                    no_color: false,
                });
                continue;
            }
            ChannelMsg::SetEnv {
                variable_name,
                variable_value,
                ..
            } => {
                // https://no-color.org: its presence counts, and it is meant for the bastion's own words too.
                no_color |= variable_name == "NO_COLOR" && !variable_value.is_empty();
                let accepted = purpose.accepts(&variable_name);
                environment.set(variable_name, variable_value, accepted);
                continue;
            }
            ChannelMsg::AgentForward { .. } => {
                environment.agent = !restrictions.no_agent_forwarding && purpose.is_target();
                continue;
            }
            ChannelMsg::RequestX11 {
                single_connection: single,
                x11_authentication_protocol: protocol,
                x11_authentication_cookie: cookie,
                x11_screen_number: screen,
                ..
            } => {
                let request = X11Request {
                    single,
                    protocol,
                    cookie,
                    screen,
                };
                let lends = !restrictions.no_x11_forwarding && purpose.is_target();
                environment.x11 = lends.then_some(request);
                continue;
            }
            ChannelMsg::Exec { command, .. } => Program::Exec(command),
            ChannelMsg::RequestShell { .. } => Program::Shell,
            ChannelMsg::RequestSubsystem { name, .. } => Program::Subsystem(name),
            ChannelMsg::Eof => {
                ended = true;
                continue;
            }
            ChannelMsg::Close => return None,
            _ => continue,
        };
        if ended {
            // Whatever runs reads the end, as it would from any server; data that came before it is nobody's.
            ear.give_back(ChannelMsg::Eof);
        }
        return Some(Setup {
            pty: pty.map(|pty| PtyRequest { no_color, ..pty }),
            environment,
            program,
        });
    }
}

impl Purpose {
    /// Whether a variable is passed on.
    pub(super) fn accepts(&self, variable: &str) -> bool {
        match self {
            Self::Target(session) => passes_variable(session, variable),
            Self::Console(console) => console.accepts(variable),
            Self::Refuse(_) | Self::Fail(_) => false,
        }
    }

    /// Whether what is lent goes to a target, whose policy then decides and has it on record.
    fn is_target(&self) -> bool {
        matches!(self, Self::Target(_))
    }

    /// Whether something of the user's may be lent to the target.
    pub(super) fn lends(&self, channel: domain::Channel) -> bool {
        match self {
            Self::Target(session) => session.permits(channel),
            Self::Console(_) | Self::Refuse(_) | Self::Fail(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_taken_that_was_refused() {
        let (said, mut ear) = Intake::played();
        said.send(ChannelMsg::AgentForward { want_reply: true }).unwrap();
        let x11 = ChannelMsg::RequestX11 {
            want_reply: true,
            single_connection: false,
            x11_authentication_protocol: "MIT-MAGIC-COOKIE-1".to_owned(),
            x11_authentication_cookie: "00".to_owned(),
            x11_screen_number: 0,
        };
        said.send(x11).unwrap();
        said.send(ChannelMsg::RequestShell { want_reply: true }).unwrap();
        let purpose = Purpose::Refuse("no".to_owned());
        let setup = hear_setup(&purpose, Restrictions::default(), &mut ear).await.unwrap();
        assert!(!setup.environment.agent && setup.environment.x11.is_none());
    }
}
