//! `opspilot serve`: the daemon.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::EnvFilter;

use crate::command::delegate_grammar;
use crate::config::{Config, named_paths};
use crate::control::{Retention, Socket};
use crate::domain::printable_line;
use crate::gate::{Engine, EngineError, Gate};
use crate::gateway::{Control, Gateway, Inherited, Stop};
use crate::helper::Helpers;
use crate::http;
use crate::sandbox::{self, Confines, Places};
use crate::shipping::Shipping;
use crate::store::Store;

use super::{ConfigArg, log_lines, upkeep};

/// What ending takes besides, at most: last moments of sessions, of requests over HTTP and of the record.
const AFTER_DRAIN: Duration = Duration::from_secs(30);

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// How log lines look on standard error; `OPSPILOT_LOG` sets what is logged (default: info)
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Runs the daemon until SIGTERM or SIGINT, or from SIGUSR2 on until nothing runs.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::from_environment()?;
    let file = args.config.locate()?;
    // The SSH library's own lines say what its peers sent: only what is wrong with it is of interest, and never a key.
    start_log(args.log_format, "info,russh=warn,rusqlite_migration=warn")?;
    panic::set_hook(Box::new(log_panic));
    sandbox::forbid_core_dumps().context("cannot forbid core dumps")?;
    // Once confined, this process can run no program. The file is the very one that it runs.
    delegate_grammar(Box::new(Helpers::start(Path::new("/proc/self/exe"))?))?;
    // Before there is another thread: each has the confines of the one that started it.
    let places = Places::of(&Config::load(&file)?, &named_paths(&file)?);
    let confines = Confines::around(places.and_temporary_files());
    let gate = open_gate(&file)?;
    let shipping = Shipping::start(&gate.engine().config, gate.store())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve(file, gate, inherited, shipping, confines))?;
    Ok(ExitCode::SUCCESS)
}

/// Says where a panic happened, and nothing of what it was about: that may be what somebody typed.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    tracing::error!(
        at,
        thread = thread.name(),
        "panicked: this is a defect, please report it"
    );
}

/// Reads the configuration and opens the record: what a gateway is made of. Blocks.
pub(super) fn open_gate(file: &Path) -> anyhow::Result<Arc<Gate>> {
    let engine = Engine::load(file)?;
    let store = Store::open(&engine.config.store.path)?;
    Ok(Arc::new(Gate::new(engine, store)))
}

/// Logs to standard error what `OPSPILOT_LOG` says, or else `default`.
pub(super) fn start_log(format: LogFormat, default: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("OPSPILOT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        LogFormat::Text => builder.with_writer(|| log_lines::text(io::stderr())).try_init(),
        LogFormat::Json => builder.json().with_writer(|| log_lines::json(io::stderr())).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

async fn serve(
    file: PathBuf,
    gate: Arc<Gate>,
    inherited: Inherited,
    shipping: Shipping,
    confines: Confines,
) -> anyhow::Result<()> {
    let hangups = signal(SignalKind::hangup())?;
    let doors = Doors::open(&gate, inherited).await?;
    let mut settings = Settings {
        file,
        gateway: doors.gateway.control(),
        http: doors.http.control(),
        gate: gate.clone(),
        shipping,
        confines,
    };
    let stop = Stop::default();
    let stopping = Stopping {
        stop: stop.clone(),
        gate: gate.clone(),
    };
    stopping.heed_signals(settings.gateway.clone())?;
    notify(&[NotifyState::Ready]);
    let upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep::run(gate.clone())));
    tokio::select! {
        served = doors.serve(gate.clone(), stop) => served?,
        never = settings.renew_at(hangups) => match never {},
    }
    drop(upkeep);
    gate.settled().await;
    settings.shipping.stop().await;
    gate.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// All that somebody may come in by, bound before the daemon says that it is ready.
struct Doors {
    control: Socket,
    gateway: Gateway,
    http: http::Server,
}

impl Doors {
    async fn open(gate: &Arc<Gate>, mut inherited: Inherited) -> anyhow::Result<Self> {
        let control = Socket::bind(&gate.engine().config.server.state_dir)?;
        let gateway = Gateway::bind(gate.clone(), &mut inherited).await?;
        let http = http::Server::bind(gate.clone(), gateway.control(), &mut inherited).await?;
        inherited.all_taken()?;
        for address in gateway.addresses() {
            tracing::info!(%address, "listening");
        }
        for address in http.addresses() {
            tracing::info!(address, "listening for HTTP");
        }
        tracing::info!(model = gate.engine().model_digest().unwrap_or("none"), "ready");
        Ok(Self { control, gateway, http })
    }

    /// Serves until `stop` says otherwise and all have left; over HTTP and at the control socket, who asks is heard until then.
    async fn serve(self, gate: Arc<Gate>, stop: Stop) -> anyhow::Result<()> {
        let left = CancellationToken::new();
        let store = gate.store().clone();
        let retention = move || Retention::of(&gate.engine().config);
        let answering = tokio::spawn(self.control.serve(store, retention, left.clone()));
        let http = tokio::spawn(self.http.serve(left.clone()));
        self.gateway.serve(stop).await;
        left.cancel();
        http.await.context("the HTTP API failed")?;
        answering.await.context("the control socket failed")
    }
}

/// Where the configuration is, and who takes a new one.
struct Settings {
    file: PathBuf,
    gate: Arc<Gate>,
    gateway: Control,
    http: http::Control,
    shipping: Shipping,
    confines: Confines,
}

impl Settings {
    async fn renew_at(&mut self, mut hangups: Signal) -> Infallible {
        loop {
            if hangups.recv().await.is_none() {
                pending::<()>().await;
            }
            reload(&self.file, &self.gate, &self.gateway, &self.confines).await;
            ship_anew(&mut self.shipping, &self.gate);
            renew_certificate(&self.gate, self.http.clone()).await;
        }
    }
}

/// How the daemon is told to end.
#[derive(Clone)]
struct Stopping {
    stop: Stop,
    gate: Arc<Gate>,
}

impl Stopping {
    /// From now on: SIGTERM and SIGINT drain, and end everything at once when they come again; SIGUSR2 drains as soon as nothing
    /// runs.
    fn heed_signals(self, gateway: Control) -> io::Result<()> {
        let [terminate, interrupt, hand_over] = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::user_defined2(),
        ]
        .map(signal);
        tokio::spawn(self.clone().end_at(terminate?, interrupt?));
        tokio::spawn(self.hand_over_at(hand_over?, gateway));
        Ok(())
    }

    async fn end_at(self, mut terminate: Signal, mut interrupt: Signal) {
        for order in [Self::drain, Self::end_at_once] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            order(&self);
        }
    }

    /// Ends in a moment in which nobody loses anything, however long that takes to come: a new binary can begin then.
    async fn hand_over_at(self, mut signal: Signal, gateway: Control) {
        if signal.recv().await.is_none() {
            return;
        }
        tracing::info!(sessions = gateway.open_sessions(), "stops as soon as nothing runs");
        notify(&[NotifyState::Status("stops as soon as nothing runs")]);
        gateway.quiet().await;
        self.drain();
    }

    fn drain(&self) {
        let limit = self.gate.engine().config.server.drain_timeout;
        let in_all = limit.saturating_add(AFTER_DRAIN).as_micros();
        let in_all = NotifyState::ExtendTimeoutUsec(u32::try_from(in_all).unwrap_or(u32::MAX));
        notify(&[NotifyState::Stopping, in_all]);
        self.stop.drain.cancel();
    }

    fn end_at_once(&self) {
        self.stop.at_once.cancel();
    }
}

/// Reads everything anew; where anything is wrong, everything stays as it was.
async fn reload(file: &Path, gate: &Gate, control: &Control, confines: &Confines) {
    let started = NotifyState::monotonic_usec_now().ok();
    notify(&[NotifyState::Reloading].into_iter().chain(started).collect::<Vec<_>>());
    let status = match load_elsewhere(file.to_owned(), confines.clone()).await {
        Ok(engine) => {
            control.apply(engine);
            String::new()
        }
        Err(error) => {
            tracing::error!("the configuration stays as it was: {error}");
            gate.keep_engine();
            status_of(&error)
        }
    };
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// What the service manager shows until a configuration can be used again, in a line of its protocol.
fn status_of(error: &str) -> String {
    format!("the configuration stays as it was: {}", printable_line(error))
}

/// Ships what the configuration in force says; files that were moved away are opened anew.
fn ship_anew(shipping: &mut Shipping, gate: &Gate) {
    let config = &gate.engine().config;
    if let Err(error) = tokio::task::block_in_place(|| shipping.apply(config)) {
        tracing::error!(%error, "not everything is shipped as configured; SIGHUP tries again");
    }
}

/// Takes the certificate of the HTTP API anew, also where the rest of the configuration stays as it was.
async fn renew_certificate(gate: &Gate, control: http::Control) {
    let engine = gate.engine();
    let renewed = tokio::task::spawn_blocking(move || control.apply(&engine.config)).await;
    match renewed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("the certificate of the HTTP API stays as it was: {error}"),
        Err(error) => tracing::error!(%error, "cannot renew the certificate of the HTTP API"),
    }
}

async fn load_elsewhere(file: PathBuf, confines: Confines) -> Result<Engine, String> {
    let load = move || {
        confines.admit(&file)?;
        Engine::load(&file)
    };
    let loaded = tokio::task::spawn_blocking(load).await;
    loaded
        .map_err(|error| error.to_string())?
        .map_err(|error: EngineError| error.to_string())
}

/// Tells the service manager, where there is one.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
