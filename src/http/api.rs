//! Which request is answered where, and the description of it all for programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Fault};
use super::json::Json;
use super::metrics::Meters;
use super::rate::Limiter;
use super::readers::Readers;
use super::{analytics, ask, commands, export, feedback, metrics, sessions, status, train};
use crate::gate::Gate;
use crate::gateway;

/// Bytes of a body: more than the longest command that is scored.
const MAX_BODY: usize = 128 * 1024;

/// Time for a whole request until its answer begins.
const REQUEST: Duration = Duration::from_secs(30);

/// What the handlers work with; clones share it.
#[derive(Clone)]
pub(super) struct Api(Arc<Shared>);

struct Shared {
    gate: Arc<Gate>,
    readers: Readers,
    limiter: Limiter,
    meters: Meters,
}

impl Api {
    /// Everything for one server.
    pub(super) fn new(gate: Arc<Gate>, gateway: gateway::Control) -> Self {
        Self(Arc::new(Shared {
            readers: Readers::new(gate.store().clone()),
            limiter: Limiter::default(),
            meters: Meters::new(&gate, gateway),
            gate,
        }))
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    pub(super) fn readers(&self) -> &Readers {
        &self.0.readers
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.0.meters
    }
}

/// Everything that is served.
pub(super) fn router(api: Api) -> Router {
    let (routes, document) = described().split_for_parts();
    let document = Json(document);
    routes
        .route("/openapi.json", axum::routing::get(|| async move { document }))
        .fallback(|| async {
            rejected(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; see /openapi.json",
            )
        })
        .method_not_allowed_fallback(|| async {
            rejected(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path takes other methods; see /openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(api.clone(), measured))
        .layer(from_fn(guarded))
        .with_state(api)
}

/// The description of the API for programs (`OpenAPI`), made from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(healthz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(ask::ask))
        .routes(routes!(feedback::feedback))
        .routes(routes!(train::train))
        .routes(routes!(status::model_status))
        .routes(routes!(analytics::analytics))
        .routes(routes!(export::export))
        .routes(routes!(commands::commands))
        .routes(routes!(commands::command))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::recording))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "opspilot", description = "What programs ask and tell the bastion. Nobody runs a command here."),
    components(schemas(Fault)),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description =
            Some("A token of `opspilot token add`; the scopes that it must have stand at each path.".into());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// That the daemon serves.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the daemon serves. Needs no token, and tells nothing else.
#[utoipa::path(get, path = "/healthz", responses((status = OK, description = "It does", body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

fn rejected(status: StatusCode, message: &str) -> ApiError {
    ApiError::Rejected {
        status,
        message: message.to_owned(),
    }
}

/// Gives up what does not come about in time, be it that the client sends its body slowly.
async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| ApiError::TooSlow.into_response())
}

/// Counts requests by the path as it is described, never by what the client made of it.
async fn measured(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    api.meters().answered(route, response.status(), began.elapsed());
    response
}

/// Keeps browsers from making more of an answer than it is, and everything from keeping it.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written anew with `OPSPILOT_WRITE_OPENAPI=1 cargo test openapi`.
    #[test]
    fn the_committed_openapi_document_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let made = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("OPSPILOT_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == made,
            "docs/openapi.json is stale: run OPSPILOT_WRITE_OPENAPI=1 cargo test openapi"
        );
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = document();
        let operations = document.paths.paths.values().flat_map(|item| [&item.get, &item.post]);
        let mut names: Vec<_> = operations
            .flatten()
            .filter_map(|found| found.operation_id.as_ref())
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!((names.len(), count), (12, 12), "{names:?}");
    }

    #[test]
    fn every_path_but_the_health_needs_a_token_with_one_scope() {
        for (path, item) in &document().paths.paths {
            let operations = [&item.get, &item.post].into_iter().flatten();
            for operation in operations {
                let needs = operation.security.as_deref().unwrap_or_default();
                assert_eq!(needs.len(), usize::from(path != "/healthz"), "{path}");
                assert!(
                    operation.responses.responses.contains_key("default") || path == "/healthz",
                    "{path}"
                );
            }
        }
    }
}
