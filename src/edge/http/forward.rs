//! Passing a lookup on to the instance that owns it.
//!
//! Enters: the owner's address and the request. Leaves: the owner's answer as it is. Always true: a request is passed on
//! once, within a deadline, and its answer has a bound.

use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::refusal;

/// Says that a request was passed on already.
pub(super) const FORWARDED: HeaderName = HeaderName::from_static("x-dockside-forwarded");

/// How long the owner may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The failures of a hop, whatever they are.
type Failed = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn forward(owner: &str, request: &Parts) -> Response {
    let why = match tokio::time::timeout(PATIENCE, passed_on(owner, request)).await {
        Ok(Ok(response)) => return response,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let why = format!("its owner at {owner} cannot be asked: {why}");
    refusal(StatusCode::SERVICE_UNAVAILABLE, "OWNER_UNREACHABLE", &why)
}

async fn passed_on(owner: &str, request: &Parts) -> Result<Response, Failed> {
    let stream = TcpStream::connect(owner).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut passed = Request::get(path).header(header::HOST, owner).header(FORWARDED, "1");
    if let Some(token) = request.headers.get(header::AUTHORIZATION) {
        passed = passed.header(header::AUTHORIZATION, token);
    }
    let (head, body) = sender.send_request(passed.body(Empty::<Bytes>::new())?).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    connection.abort();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = head.status;
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}
