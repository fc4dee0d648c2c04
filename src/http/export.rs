//! `GET /export`.

use std::io;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::analytics::days;
use super::api::Api;
use super::auth::{Allowed, Export};
use super::body::{Download, streamed};
use super::error::{ApiError, Fault};
use super::extract::Params;
use crate::store::{self, ExportError, FeatureList, LogFilter, Spool};

/// Which rows are taken away: as `opspilot export` takes them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// `json`, an object a line, where it is left out.
    format: Option<Format>,
    /// Of the last so many days up to now, 1 to 3650; 90 where it is left out.
    #[param(minimum = 1, maximum = 3650)]
    days: Option<u16>,
    /// Whether the forest's input comes by name instead of as a list of numbers.
    features: Option<bool>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// For a spreadsheet, which takes no cell for a formula.
    Csv,
    /// Everything as it is, one object a line.
    #[default]
    Json,
}

/// Rows of the record as they are when it is asked, the oldest first: as `opspilot export` writes them.
///
/// They are first gathered in a file without a name beside the record, so that a slow client holds nothing up. It takes as much of
/// that disk as the answer is long until all of it is taken or the connection ends. Where a twentieth of the disk would not stay
/// free, the answer is refused or breaks off. Whoever takes nothing of it for 30 s loses the connection; four are served at once.
#[utoipa::path(
    get, path = "/export", params(Selection), security(("token" = ["export"])),
    responses((status = OK, description = "The rows; an answer that breaks off is not all of them",
               content((String = "application/x-ndjson"), (String = "text/csv"))),
              (status = "default", description = "Why there are none", body = Fault))
)]
pub(super) async fn export(
    State(api): State<Api>,
    allowed: Allowed<Export>,
    Params(selection): Params<Selection>,
) -> Result<Response, ApiError> {
    allowed.caller.must_be_admin()?;
    let days = days(selection.days, 90)?;
    let place = api.readers().enter_stream()?;
    let store = api.gate().store().clone();
    // What cannot even begin is told as a fault; what fails later breaks the answer off.
    let spool = api.readers().work(move || store.spool()).await??;
    tracing::info!(user = %allowed.caller.user, token = %allowed.caller.token, days, "rows are exported over HTTP");
    let filter = LogFilter::of_days(days, Timestamp::now());
    let content_type = [(CONTENT_TYPE, selection.format.unwrap_or_default().content_type())];
    let body = streamed(place, move |out| selection.write(filter, spool, out));
    Ok((content_type, body).into_response())
}

impl Selection {
    /// Gathers the rows at full speed, then passes them on at the client's pace.
    fn write(&self, filter: LogFilter, spool: Spool, out: &mut Download) -> io::Result<()> {
        let format = self.format.unwrap_or_default().into();
        let features = self.features.unwrap_or_default().then(FeatureList::of_this_program);
        let filled = spool.fill(filter, format, features, || out.must_be_wanted());
        let (mut rows, _) = filled.map_err(|error| match error {
            ExportError::Write(error) => error,
            ExportError::Store(_) => io::Error::other(error),
        })?;
        io::copy(&mut rows, out).map(|_| ())
    }
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/x-ndjson",
        }
    }
}

impl From<Format> for store::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
        }
    }
}
