//! Asking an instance: passing a lookup on to the one that owns it, and the probes of the one on this machine.
//!
//! Enters: an address and a request. Leaves: its answer as it is. Always true: a lookup is passed on once; each question has
//! a deadline, and each answer a bound.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::refusal;

/// Says that a request was passed on already.
pub(super) const FORWARDED: HeaderName = HeaderName::from_static("x-dockside-forwarded");

/// How long the other one may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The failures of a hop, whatever they are.
type Failed = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn forward(owner: &str, request: &Parts) -> Response {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = HeaderMap::from_iter([(FORWARDED, HeaderValue::from_static("1"))]);
    headers.extend(
        request.headers.get(header::AUTHORIZATION).map(|token| (header::AUTHORIZATION, token.clone())),
    );
    match get(owner, path, headers).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = head.status;
            for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
                response.headers_mut().extend(head.headers.get(&name).map(|value| (name, value.clone())));
            }
            response
        }
        Err(why) => {
            let why = format!("its owner at {owner} cannot be asked: {why}");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "OWNER_UNREACHABLE", &why)
        }
    }
}

/// Asks the instance of this machine that listens there; the status, and what it says.
pub fn ask_here(listen: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        // All addresses of the machine: this one is always among them.
        address.set_ip(if listen.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("this process cannot wait for an answer: {error}"))?;
    let answer = runtime.block_on(get(&address.to_string(), path, HeaderMap::new()))?;
    Ok((answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

async fn get(address: &str, path: &str, headers: HeaderMap) -> Result<Response<Bytes>, String> {
    match tokio::time::timeout(PATIENCE, got(address, path, headers)).await {
        Ok(got) => got.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn got(address: &str, path: &str, headers: HeaderMap) -> Result<Response<Bytes>, Failed> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    request.headers_mut().extend(headers);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}
