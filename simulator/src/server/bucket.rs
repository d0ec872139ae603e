//! A bucket of OSS that anyone may read: where registries send clients for the bytes of a blob.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Answers with the files of a folder until told to stop.
pub(super) async fn serve(listener: TcpListener, folder: PathBuf, mut stopped: watch::Receiver<bool>) {
    let router = Router::new().fallback(object).with_state(Arc::new(folder));
    let serving = axum::serve(listener, router);
    tokio::select! {
        _ = stopped.changed() => {}
        _ = serving.into_future() => {}
    }
}

async fn object(
    State(folder): State<Arc<PathBuf>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if !matches!(method, Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method is not allowed.");
    }
    // A client that passes the registry's token on to where it was sent is refused, as OSS does: the token is nothing to it.
    if headers.contains_key(header::AUTHORIZATION) {
        let message = "The Authorization header is of no type that OSS takes.";
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", message);
    }
    let Some(path) = within(&folder, uri.path()) else { return no_such_key() };
    match tokio::fs::read(path).await {
        Ok(bytes) => {
            let length = bytes.len();
            let body = if method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, length.into());
            headers
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
            headers.insert(header::SERVER, header::HeaderValue::from_static("AliyunOSS"));
            response
        }
        Err(_) => no_such_key(),
    }
}

/// The file of an object; `None` for a name that would lead out of the folder.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in name.split('/').filter(|part| !part.is_empty()) {
        let plain = !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !plain {
            return None;
        }
        path.push(part);
    }
    Some(path)
}

fn no_such_key() -> Response<Body> {
    refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::within;
    use std::path::Path;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["/../secret", "/a/../../secret", "/%2e%2e/secret", "/.hidden", "/a\\b", "/a b"] {
            assert_eq!(within(Path::new("/blobs"), name), None, "{name}");
        }
        let found = within(Path::new("/blobs"), "//docker/registry/v2/blobs/sha256/ab/abcd/data");
        assert_eq!(found.unwrap(), Path::new("/blobs/docker/registry/v2/blobs/sha256/ab/abcd/data"));
    }
}
