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
    for route in api::routes() {
        // Both forms are one resource, and no redirect would carry a body along.
        if route.path.starts_with("/api/") {
            router = router.route(&format!("{}/", route.path), route.handler.clone());
        }
        router = router.route(route.path, route.handler);
    }
    router
        .merge(documents::router())
        .fallback(|request: Request| async move { Problem::no_such_path(request.uri().path()) })
        .method_not_allowed_fallback(|request: Request| async move { not_with(request.method().as_str()) })
        .with_state(App::new(service, options))
}

fn not_with(method: &str) -> impl IntoResponse + use<> {
    let method: String = method.chars().take(20).collect();
    Problem::new(
        "method_not_allowed",
        format!("{method} is not answered here; Allow names what is"),
    )
}
