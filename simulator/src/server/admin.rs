//! The admin API: call log, faults, changes and addresses as JSON over HTTP.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Listing, Shared};
use crate::add_on_token::AddOnTokenRequest;
use crate::faults::Fault;
use crate::mutation::{Mutation, MutationError};

#[derive(Clone)]
struct Admin {
    shared: Arc<Shared>,
    listing: Arc<Listing>,
}

/// Answers on the admin listener until told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    listing: Listing,
    mut stopped: watch::Receiver<bool>,
) {
    let router = Router::new()
        .route("/calls", get(list_calls).delete(clear_calls))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(clear_fault))
        .route("/mutate", post(mutate))
        .route("/add-on-token", post(add_on_token))
        .route("/listing", get(list_addresses))
        .with_state(Admin { shared, listing: Arc::new(listing) });
    let serving = axum::serve(listener, router);
    // Idle connections must not hold up the end, so there is no graceful shutdown.
    tokio::select! {
        _ = stopped.changed() => {}
        _ = serving.into_future() => {}
    }
}

async fn list_calls(State(admin): State<Admin>) -> Response {
    let cloud = admin.shared.cloud();
    Json(cloud.calls().collect::<Vec<_>>()).into_response()
}

async fn clear_calls(State(admin): State<Admin>) -> StatusCode {
    admin.shared.cloud().clear_calls();
    StatusCode::NO_CONTENT
}

async fn list_faults(State(admin): State<Admin>) -> Response {
    Json(admin.shared.cloud().faults()).into_response()
}

async fn add_fault(State(admin): State<Admin>, body: Bytes) -> Response {
    read(&body, |fault: Fault| Json(json!({ "id": admin.shared.cloud().add_fault(fault) })).into_response())
}

async fn clear_faults(State(admin): State<Admin>) -> StatusCode {
    admin.shared.cloud().clear_faults();
    StatusCode::NO_CONTENT
}

async fn clear_fault(State(admin): State<Admin>, Path(id): Path<u64>) -> StatusCode {
    if admin.shared.cloud().clear_fault(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn mutate(State(admin): State<Admin>, body: Bytes) -> Response {
    read(&body, |mutation: Mutation| match admin.shared.cloud().mutate(mutation) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let status = match error {
                MutationError::NotFound { .. } | MutationError::NoMachine => StatusCode::NOT_FOUND,
                MutationError::Misfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            refuse(status, &error.to_string())
        }
    })
}

async fn add_on_token(State(admin): State<Admin>, body: Bytes) -> Response {
    read(&body, |request: AddOnTokenRequest| {
        Json(admin.shared.cloud().add_on_token(Timestamp::now(), &request)).into_response()
    })
}

async fn list_addresses(State(admin): State<Admin>) -> Response {
    Json(&*admin.listing).into_response()
}

/// Reads a JSON body whatever its content type says, so that `curl -d` works as it is.
fn read<T: DeserializeOwned>(body: &Bytes, answer: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(body) {
        Ok(value) => answer(value),
        Err(error) => {
            let text = format!("{error}; `acr-simulator --help` lists what is taken");
            refuse(StatusCode::BAD_REQUEST, &text)
        }
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
