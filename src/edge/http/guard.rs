//! Who may ask.
//!
//! Enters: requests. Leaves: those that may pass. Always true: where only this machine can reach the service, a `Host`
//! that means anything else is refused (a page that lets its name point here gets nothing); a token is compared in a time
//! that does not tell how much of it was right.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::{Bound, Site, refusal};
use crate::edge::secret::Secret;

/// The rule about `Host`.
#[derive(Debug)]
pub(super) struct Guard {
    /// Whether others can reach us. Their names for us are many; the token protects instead.
    is_open: bool,
    advertised_host: Option<String>,
}

impl Guard {
    pub(super) fn new(bound: &Bound) -> Guard {
        let advertised = bound.advertised();
        Guard {
            is_open: !bound.address().ip().is_loopback(),
            advertised_host: advertised.as_deref().and_then(host_of).map(str::to_owned),
        }
    }

    fn lets(&self, host: Option<&str>) -> bool {
        let Some(host) = host.and_then(host_of) else { return self.is_open };
        let is_local = || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let is_ours = || self.advertised_host.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(host));
        self.is_open || host.eq_ignore_ascii_case("localhost") || is_local() || is_ours()
    }
}

/// The host of `host:port`; none when it is neither.
fn host_of(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (!host.is_empty() && (port.is_empty() || is_port(port))).then_some(host)
}

pub(super) async fn host(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let mut response = if hosts.next().is_none() && site.guard.lets(host) {
        next.run(request).await
    } else {
        let why =
            "the Host header does not name this machine: use localhost, or set http.advertise to that name";
        refusal(StatusCode::MISDIRECTED_REQUEST, "WRONG_HOST", why)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

pub(super) async fn token(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    match &site.token {
        Some(token) if !has(request.headers(), token) => {
            let why = "send the token of http.token as `Authorization: Bearer TOKEN`";
            let mut response = refusal(StatusCode::UNAUTHORIZED, "NO_TOKEN", why);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        _ => next.run(request).await,
    }
}

fn has(headers: &HeaderMap, token: &Secret) -> bool {
    let sent = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let Some((scheme, sent)) = sent.split_at_checked(b"Bearer ".len()) else { return false };
    scheme.eq_ignore_ascii_case(b"Bearer ") && are_equal(sent, token.expose().as_bytes())
}

/// Compares digests, whole: neither length nor content shows in the time it takes.
fn are_equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    std::hint::black_box(a.iter().zip(b.iter()).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine_pass() {
        let guard = |is_open| Guard { is_open, advertised_host: Some("dock-0.example".to_owned()) };
        for (host, passes) in [
            (Some("localhost"), true),
            (Some("LOCALHOST:8080"), true),
            (Some("127.0.0.1:9"), true),
            (Some("127.9.9.9"), true),
            (Some("[::1]:8080"), true),
            (Some("Dock-0.example:80"), true),
            (Some("evil.example:8080"), false),
            (Some("localhost.evil.example"), false),
            (Some("localhost:8080:1"), false),
            (Some("10.0.0.1:8080"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(guard(false).lets(host), passes, "{host:?}");
            assert!(guard(true).lets(host), "{host:?}");
        }
    }

    #[test]
    fn a_token_is_right_or_wrong() {
        let token = Secret::from("kept-quiet");
        for (sent, is_right) in [
            ("Bearer kept-quiet", true),
            ("bearer kept-quiet", true),
            ("Bearer kept-quie", false),
            ("Bearer kept-quiets", false),
            ("Basic kept-quiet", false),
            ("kept-quiet", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(sent))]);
            assert_eq!(has(&headers, &token), is_right, "{sent}");
        }
        assert!(!has(&HeaderMap::new(), &token));
    }
}
