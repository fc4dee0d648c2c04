//! The console: what `ssh USER@bastion` offers when no target is named. On a terminal a menu, whose channel becomes the
//! shell of the target that is chosen; otherwise commands.

mod feedback;
mod history;
mod keys;
mod list;
mod menu;
mod window;
mod words;

use std::sync::Arc;
use std::time::Instant;

use russh::ChannelMsg;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::config::accepts_variable;
use crate::domain::{Name, printable, printable_line, whole_millis};
use crate::gate::Confirmed;
use crate::store::{CommandSummary, LogFilter, StoreError};

use super::Shared;
use super::address::Destination;
use super::auth::Identity;
use super::channel::{self, Program, Setup, refusal};
use super::intake::Intake;
use super::session::{Origin, TargetSession, Way};
use super::user::{Gone, PtyRequest, REFUSED, Size, Voice, refuse};
use list::Entry;
use menu::{Asked, Menu};
use window::Window;
use words::{HELP, Rated, Words};

/// What `help` says at the menu besides.
const MENU_HELP: &str = "\
NUMBER or NAME  connect to that target; LOGIN@NUMBER or LOGIN@NAME as that login
TEXT            narrow the list to what matches; where that is one target, Enter connects to it
";

/// The console of one connection.
pub(super) struct Console {
    shared: Arc<Shared>,
    who: Identity,
    origin: Origin,
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
}

/// What a console command answers.
struct Reply {
    text: String,
    ok: bool,
}

/// How the menu was left.
enum Left {
    /// For good.
    Out,
    /// For the shell of a target.
    For(Arc<TargetSession>),
}

impl Console {
    /// The console of whoever `who` is.
    pub(super) fn new(shared: Arc<Shared>, who: Identity, origin: Origin, ended: CancellationToken) -> Self {
        Self {
            shared,
            who,
            origin,
            ended,
        }
    }

    /// The variables that may be set on a channel: it may become one of a target.
    pub(super) fn accepts(&self, variable: &str) -> bool {
        accepts_variable(&self.shared.gate.engine().config.server.accept_env, variable)
    }

    /// Serves one channel: a command, or the menu and what is chosen there.
    pub(super) async fn attend(&self, mut setup: Setup, mut ear: Intake, voice: Voice) -> Result<(), Gone> {
        let has_pty = setup.pty.is_some();
        match (&setup.program, &mut setup.pty) {
            (Program::Exec(command), pty) => {
                let command = String::from_utf8_lossy(command).into_owned();
                self.answer_exec(&command, pty.as_ref(), &voice).await
            }
            (Program::Shell, Some(pty)) => match self.converse(pty, &mut ear, &voice).await? {
                Left::Out => voice.exit(0).await,
                Left::For(session) => self.visit(session, setup, ear, voice).await,
            },
            (Program::Shell, None) => {
                let reason = "the console needs a terminal (ssh -t), or a command: try help";
                refuse(&voice, false, reason).await
            }
            (Program::Subsystem(_), _) => refuse(&voice, has_pty, "name a target: ssh USER@TARGET@bastion").await,
        }
    }

    async fn answer_exec(&self, command: &str, pty: Option<&PtyRequest>, voice: &Voice) -> Result<(), Gone> {
        let reply = match Words::parse(command) {
            Ok(Words::Confirm(code)) => self.show_and_confirm(&code, pty.is_some(), voice).await?,
            Ok(words) => self.answer(words, pty).await,
            Err(error) => no(&error.to_string()),
        };
        let text = shown(&reply.text, pty.is_some());
        if reply.ok || pty.is_some() {
            voice.stdout(text).await?;
        } else {
            voice.stderr(text).await?;
        }
        voice.exit(if reply.ok { 0 } else { REFUSED }).await
    }

    /// The one who confirms has been told what before it runs.
    async fn show_and_confirm(&self, code: &str, has_pty: bool, voice: &Voice) -> Result<Reply, Gone> {
        match self.shared.gate.waiting_for(&self.who.user, code) {
            Ok(about) => {
                voice.stdout(shown(&described(&about), has_pty)).await?;
                Ok(self.confirm(code))
            }
            Err(error) => Ok(no(&error.to_string())),
        }
    }

    /// The menu, until it is left.
    async fn converse(&self, pty: &mut PtyRequest, ear: &mut Intake, voice: &Voice) -> Result<Left, Gone> {
        let mut menu = Menu::new(self.who.user.clone(), self.entries(), Window::of(pty));
        let began = Instant::now();
        voice.stdout(menu.say("").into_bytes()).await?;
        while let Some(message) = ear.next().await {
            if let Some(size) = Size::told_by(&message) {
                pty.size = size;
                voice.stdout(menu.resize(size.characters()).into_bytes()).await?;
            }
            let data = match message {
                ChannelMsg::Data { data } => data,
                ChannelMsg::Eof | ChannelMsg::Close => return Ok(Left::Out),
                _ => continue,
            };
            let mut typed: &[u8] = &data;
            loop {
                let heard = menu.hear(typed, whole_millis(began.elapsed()));
                voice.stdout(heard.shown.into_bytes()).await?;
                let Some(asked) = heard.asked else { break };
                typed = heard.rest;
                match self.act(asked, &mut menu, pty, began, voice).await? {
                    Some(Left::For(session)) => {
                        // What was typed ahead is for the shell.
                        ear.give_back(ChannelMsg::Data {
                            data: typed.to_vec().into(),
                        });
                        return Ok(Left::For(session));
                    }
                    Some(Left::Out) => return Ok(Left::Out),
                    None => {}
                }
            }
        }
        Ok(Left::Out)
    }

    /// Does what was asked for at the menu, which stands since `began`; `Some` where it is left by that.
    async fn act(
        &self,
        asked: Asked,
        menu: &mut Menu,
        pty: &PtyRequest,
        began: Instant,
        voice: &Voice,
    ) -> Result<Option<Left>, Gone> {
        let text = match asked {
            Asked::Leave | Asked::Command(Words::Exit) => return Ok(Some(Left::Out)),
            Asked::Connect { target, login } => match self.admit(target, &login) {
                Ok(session) => return Ok(Some(Left::For(session))),
                Err(reason) => no(&reason).text,
            },
            Asked::Command(Words::Confirm(code)) => match self.shared.gate.waiting_for(&self.who.user, &code) {
                Ok(about) => {
                    menu.ask_about(code, whole_millis(began.elapsed()));
                    described(&about)
                }
                Err(error) => no(&error.to_string()).text,
            },
            Asked::Command(Words::Help) => format!("{MENU_HELP}{HELP}"),
            Asked::Command(words) => self.answer(words, Some(pty)).await.text,
            Asked::Confirmed(code) => self.confirm(&code).text,
        };
        menu.update(self.entries());
        voice.stdout(menu.say(&printable(&text)).into_bytes()).await?;
        Ok(None)
    }

    /// A session on a target, where the policy lets this user go there.
    fn admit(&self, target: Name, login: &str) -> Result<Arc<TargetSession>, String> {
        let engine = self.shared.gate.engine();
        let Some(login) = engine.admit(&self.who.user, &target, Some(login)) else {
            let destination = Destination {
                login: Some(login.to_owned()),
                target,
            };
            return Err(refusal(&self.who.user, &destination));
        };
        Ok(Arc::new(TargetSession::new(
            self.shared.clone(),
            self.who.user.clone(),
            target,
            login,
            Origin {
                way: Way::Console,
                ..self.origin.clone()
            },
            self.ended.child_token(),
        )))
    }

    /// Makes the channel one of the target, for as long as the configuration knows it.
    async fn visit(&self, session: Arc<TargetSession>, setup: Setup, ear: Intake, voice: Voice) -> Result<(), Gone> {
        let ended = session.ended.clone();
        let _ends_with_the_channel = ended.clone().drop_guard();
        let live = &self.shared.live;
        let visited = live.visit(&self.who, session.target.clone(), ended.clone(), &self.shared.gate);
        let _in_the_table = match visited {
            Ok(place) => place,
            Err(turned_away) => return refuse(&voice, true, &turned_away.to_string()).await,
        };
        let hang_up = voice.hang_up();
        let served = channel::attend_target(session, setup, ear, voice).await;
        if ended.is_cancelled() && !self.ended.is_cancelled() {
            // The connection stays, so the channel has to be ended by itself.
            return hang_up.end(true, "this session has been ended").await;
        }
        served
    }

    async fn answer(&self, words: Words, pty: Option<&PtyRequest>) -> Reply {
        match words {
            Words::Targets(search) => self.targets(&search, pty),
            Words::History(count) => self.history(count, pty).await,
            Words::Confirm(code) => self.confirm(&code),
            Words::Feedback(rated) => self.feedback(rated).await,
            Words::WhoAmI => self.whoami(),
            Words::Help => yes(HELP.to_owned()),
            Words::Exit => yes(String::new()),
        }
    }

    /// The targets that the user may reach, by name.
    fn entries(&self) -> Vec<Entry> {
        let engine = self.shared.gate.engine();
        let Some(user) = engine.user(&self.who.user) else {
            return Vec::new();
        };
        let mut reached: Vec<_> = engine.reached_by(user).collect();
        reached.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        (1..)
            .zip(reached)
            .map(|(number, (target, logins))| Entry::new(number, target, logins))
            .collect()
    }

    fn targets(&self, search: &str, pty: Option<&PtyRequest>) -> Reply {
        let entries = self.entries();
        let matching: Vec<&Entry> = entries.iter().filter(|entry| entry.matches(search)).collect();
        match (entries.as_slice(), matching.as_slice(), pty) {
            ([], _, _) => no("no policy lets you reach a target"),
            (_, [], _) => no("no target matches"),
            (_, matching, Some(pty)) => yes(list::rows(matching, Window::of(pty).usable()).join("\n") + "\n"),
            (_, matching, None) => yes(matching.iter().map(|entry| entry.fields()).collect()),
        }
    }

    async fn history(&self, count: u32, pty: Option<&PtyRequest>) -> Reply {
        let filter = LogFilter {
            user: Some(self.who.user.clone()),
            limit: count,
            ..LogFilter::default()
        };
        match self.read_history(filter).await {
            Ok(commands) if commands.is_empty() => yes("you have not run a command yet\n".to_owned()),
            Ok(commands) => yes(match pty {
                Some(pty) => history::rows(&commands, Window::of(pty).usable()),
                None => history::fields(&commands),
            }),
            Err(error) => {
                tracing::error!(%error, "cannot read the record for the console");
                no("the record cannot be read now")
            }
        }
    }

    async fn read_history(&self, filter: LogFilter) -> Result<Vec<CommandSummary>, StoreError> {
        let store = self.shared.gate.store().clone();
        let read = spawn_blocking(move || store.reader()?.log(&filter)).await;
        read.unwrap_or(Err(StoreError::Closed))
    }

    async fn feedback(&self, rated: Rated) -> Reply {
        match feedback::give(&self.shared.gate, &self.who.user, rated).await {
            Ok(noted) => yes(noted),
            Err(reason) => no(&reason),
        }
    }

    fn whoami(&self) -> Reply {
        let engine = self.shared.gate.engine();
        let roles = engine
            .user(&self.who.user)
            .map(|user| user.roles.iter().map(Name::to_string).collect::<Vec<_>>());
        yes(format!(
            "{}\troles: {}\n",
            self.who.user,
            roles.unwrap_or_default().join(", ")
        ))
    }

    fn confirm(&self, code: &str) -> Reply {
        match self.shared.gate.confirm(&self.who.user, code) {
            Ok(_shown_before) => yes("confirmed\n".to_owned()),
            Err(error) => no(&error.to_string()),
        }
    }
}

fn described(about: &Confirmed) -> String {
    format!(
        "{} on {} as {}: {}\n",
        about.user,
        about.target,
        printable_line(&about.login),
        printable_line(&about.command)
    )
}

fn yes(text: String) -> Reply {
    Reply { text, ok: true }
}

fn no(reason: &str) -> Reply {
    Reply {
        text: format!("opspilot: {}\n", printable_line(reason)),
        ok: false,
    }
}

/// Text for the user, with the line ends that their side needs.
fn shown(text: &str, has_pty: bool) -> Vec<u8> {
    let text = printable(text);
    if has_pty {
        text.replace('\n', "\r\n").into_bytes()
    } else {
        text.into_owned().into_bytes()
    }
}
