//! From a path to its endpoint.

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use saldo_engine::StockSynchronizationService;

use crate::api;
use crate::app::App;
use crate::documents;
use crate::options::WebOptions;
use crate::problem::Problem;

/// The whole HTTP interface over a service.
pub fn router(service: StockSynchronizationService, options: WebOptions) -> Router {
    let mut router = Router::new();
    let takes_in = options.takes_in;
    let routes = api::routes();
    for route in routes
        .into_iter()
        .filter(|route| takes_in || tells_how_it_stands(route.path))
    {
        // Both forms are one resource, and no redirect would carry a body along.
        if route.path.starts_with("/api/") {
            router = router.route(&format!("{}/", route.path), route.handler.clone());
        }
        router = router.route(route.path, route.handler);
    }
    router
        .merge(documents::router())
        .fallback(move |request: Request| async move {
            if takes_in {
                Problem::no_such_path(request.uri().path())
            } else {
                Problem::new(
                    "not_found",
                    "this instance works off what others took in, and answers /healthz, /readyz, /metrics and the \
                     status only; ask one whose role is all or api",
                )
            }
        })
        .method_not_allowed_fallback(|request: Request| async move { not_with(request.method().as_str()) })
        .with_state(App::new(service, options))
}

/// What a worker answers, too.
fn tells_how_it_stands(path: &str) -> bool {
    matches!(
        path,
        "/healthz" | "/readyz" | "/metrics" | "/api/v1/stock-sync/status"
    )
}

fn not_with(method: &str) -> impl IntoResponse + use<> {
    let method: String = method.chars().take(20).collect();
    Problem::new(
        "method_not_allowed",
        format!("{method} is not answered here; Allow names what is"),
    )
}
