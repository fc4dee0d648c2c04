//! `opspilot serve`: the daemon.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::EnvFilter;

use crate::control::{Retention, Socket};
use crate::gate::{Engine, EngineError, Gate};
use crate::gateway::{Control, Gateway};
use crate::http;
use crate::shipping::Shipping;
use crate::store::Store;

use super::{ConfigArg, log_lines, upkeep};

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

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.config.locate()?;
    // The SSH library's own lines say what its peers sent: only what is wrong with it is of interest, and never a key.
    start_log(args.log_format, "info,russh=warn,rusqlite_migration=warn")?;
    let gate = open_gate(&file)?;
    let shipping = Shipping::start(&gate.engine().config, gate.store())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve(file, gate, shipping))?;
    Ok(ExitCode::SUCCESS)
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
        LogFormat::Text => builder
            .with_ansi(false)
            .with_writer(|| log_lines::text(io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().with_writer(|| log_lines::json(io::stderr())).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

async fn serve(file: PathBuf, gate: Arc<Gate>, shipping: Shipping) -> anyhow::Result<()> {
    let hangups = signal(SignalKind::hangup())?;
    let doors = Doors::open(&gate).await?;
    let mut settings = Settings {
        file,
        gateway: doors.gateway.control(),
        http: doors.http.control(),
        gate: gate.clone(),
        shipping,
    };
    let drain = CancellationToken::new();
    tokio::spawn(cancel_at_signal(
        drain.clone(),
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    ));
    notify(&[NotifyState::Ready]);
    let upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep::run(gate.clone())));
    tokio::select! {
        served = doors.serve(gate.clone(), drain) => served?,
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
    async fn open(gate: &Arc<Gate>) -> anyhow::Result<Self> {
        let control = Socket::bind(&gate.engine().config.server.state_dir)?;
        let gateway = Gateway::bind(gate.clone()).await?;
        let http = http::Server::bind(gate.clone(), gateway.control()).await?;
        for address in gateway.addresses() {
            tracing::info!(%address, "listening");
        }
        for address in http.addresses() {
            tracing::info!(address, "listening for HTTP");
        }
        tracing::info!(model = gate.engine().model_digest().unwrap_or("none"), "ready");
        Ok(Self { control, gateway, http })
    }

    /// Serves until `drain` is cancelled and all have left; who asks by the control socket is heard until then.
    async fn serve(self, gate: Arc<Gate>, drain: CancellationToken) -> anyhow::Result<()> {
        let left = CancellationToken::new();
        let store = gate.store().clone();
        let retention = move || Retention::of(&gate.engine().config);
        let answering = tokio::spawn(self.control.serve(store, retention, left.clone()));
        tokio::join!(self.gateway.serve(drain.clone()), self.http.serve(drain));
        left.cancel();
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
}

impl Settings {
    async fn renew_at(&mut self, mut hangups: Signal) -> Infallible {
        loop {
            if hangups.recv().await.is_none() {
                pending::<()>().await;
            }
            reload(&self.file, &self.gateway).await;
            ship_anew(&mut self.shipping, &self.gate);
            renew_certificate(&self.gate, self.http.clone()).await;
        }
    }
}

async fn cancel_at_signal(drain: CancellationToken, mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify(&[NotifyState::Stopping]);
    drain.cancel();
}

/// Reads everything anew; where anything is wrong, everything stays as it was.
async fn reload(file: &Path, control: &Control) {
    let started = NotifyState::monotonic_usec_now().ok();
    notify(&[NotifyState::Reloading].into_iter().chain(started).collect::<Vec<_>>());
    match load_elsewhere(file.to_owned()).await {
        Ok(engine) => control.apply(engine),
        Err(error) => tracing::error!("the configuration stays as it was: {error}"),
    }
    notify(&[NotifyState::Ready]);
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

async fn load_elsewhere(file: PathBuf) -> Result<Engine, String> {
    let loaded = tokio::task::spawn_blocking(move || Engine::load(&file)).await;
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
