//! A connection to a broker: requests go out, answers come back, in order.
//!
//! Enters: an address, requests. Leaves: answers, decoded but for the records, which stay as they came. Always true: an answer
//! belongs to the oldest request that has none; after any failure the connection is not used again; what a broker does not
//! speak is told as such.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, MetadataRequest,
    MetadataResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, StrBytes, encode_request_header_into_buffer,
};

use super::super::names::refused;
use crate::engine::log::LogError;

/// How long connecting may take, and how long a broker may be silent before that is worth a thought.
const SILENCE: Duration = Duration::from_secs(2);
/// So often in a row while an answer with records is due, and it is given up.
const SILENCES_MAX: u32 = 15;
/// No answer is longer.
pub(super) const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The versions of requests that we speak, the oldest and the newest: topics by name, and the epochs of leaders.
const FETCH: (i16, i16) = (12, 12);
const METADATA: (i16, i16) = (7, 9);
const API_VERSIONS: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The broker is away, or the connection is broken: another one may help.
    Away(String),
    /// It will not serve us.
    Refused(LogError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Away(if is_silence(&error) {
            "it was silent for too long".to_owned()
        } else {
            error.to_string()
        })
    }
}

fn strange(error: &dyn std::fmt::Display) -> Failed {
    Failed::Away(format!("it sent what cannot be read: {error:#}"))
}

/// A connection that the broker has greeted.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    client: StrBytes,
    fetch: i16,
    metadata: i16,
    asked: i32,
    answered: i32,
    out: BytesMut,
    /// Memory of the last answer, if nobody has kept any of it.
    spare: Vec<u8>,
}

impl Line {
    /// Connects, and asks what the broker speaks.
    pub(super) fn open(address: &str, client: &str) -> Result<Line, Failed> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        let stream = address
            .to_socket_addrs()?
            .find_map(|at| TcpStream::connect_timeout(&at, SILENCE).map_err(|error| last = error).ok());
        let stream = stream.ok_or(last)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut line = Line {
            stream,
            client: StrBytes::from_string(client.to_owned()),
            fetch: 0,
            metadata: 0,
            asked: 0,
            answered: 0,
            out: BytesMut::new(),
            spare: Vec::new(),
        };
        line.greet(address)?;
        Ok(line)
    }

    fn greet(&mut self, address: &str) -> Result<(), Failed> {
        let hello = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("dockside"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        self.ask(ApiKey::ApiVersions, API_VERSIONS, &hello)?;
        let (_, mut body) = self.answer::<ApiVersionsResponse>(API_VERSIONS, 1, &|| {})?;
        // A broker that does not know our version answers in its oldest, which begins alike: with an error.
        let known = match body.first_chunk().copied().map(i16::from_be_bytes) {
            Some(0) => {
                ApiVersionsResponse::decode(&mut body, API_VERSIONS).map_err(|error| strange(&error))?
            }
            Some(UNSUPPORTED_VERSION) => ApiVersionsResponse::default(),
            other => return Err(strange(&format!("a greeting with error {other:?}"))),
        };
        let common = |key: ApiKey, (least, most): (i16, i16)| {
            let theirs = known.api_keys.iter().find(|api| api.api_key == key as i16);
            let common = theirs.map(|api| api.max_version.min(most)).filter(|common| *common >= least);
            common.filter(|common| theirs.is_some_and(|api| api.min_version <= *common)).ok_or_else(|| {
                Failed::Refused(refused(
                    format!("read from {address} directly"),
                    format!(
                        "it does not speak {key:?} {least} to {most}, which brokers from 2.7 on do; set kafka.fetch to \
                         \"client\""
                    ),
                ))
            })
        };
        self.fetch = common(ApiKey::Fetch, FETCH)?;
        self.metadata = common(ApiKey::Metadata, METADATA)?;
        Ok(())
    }

    /// What ends the connection from another thread, whoever waits on it.
    pub(super) fn cutter(&self) -> Result<Cutter, Failed> {
        Ok(Cutter(self.stream.try_clone()?))
    }

    pub(super) fn metadata(&mut self, request: &MetadataRequest) -> Result<MetadataResponse, Failed> {
        let version = self.metadata;
        self.ask(ApiKey::Metadata, version, request)?;
        let (_, mut body) = self.answer::<MetadataResponse>(version, 1, &|| {})?;
        MetadataResponse::decode(&mut body, version).map_err(|error| strange(&error))
    }

    /// Asks for records; [`Line::fetched`] has the answer.
    pub(super) fn fetch(&mut self, request: &FetchRequest) -> Result<(), Failed> {
        self.ask(ApiKey::Fetch, self.fetch, request)
    }

    /// The answer to the oldest fetch, and the memory that all its records lie in. It is used again for the next answer if it
    /// is [given back](Line::give_back). Calls `wonder` whenever the broker has been silent for a while.
    pub(super) fn fetched(&mut self, wonder: &dyn Fn()) -> Result<(FetchResponse, Bytes), Failed> {
        let version = self.fetch;
        let (memory, mut body) = self.answer::<FetchResponse>(version, SILENCES_MAX, wonder)?;
        let response = FetchResponse::decode(&mut body, version).map_err(|error| strange(&error))?;
        Ok((response, memory))
    }

    /// The memory of an answer that has been read, unless somebody keeps a part of it.
    pub(super) fn give_back(&mut self, memory: Bytes) {
        if memory.is_unique() {
            self.spare = memory.into();
        }
    }

    fn ask<R: Encodable + HeaderVersion>(
        &mut self,
        key: ApiKey,
        version: i16,
        request: &R,
    ) -> Result<(), Failed> {
        self.asked = self.asked.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.asked)
            .with_client_id(Some(self.client.clone()));
        self.out.clear();
        // The length comes when it is known.
        self.out.extend_from_slice(&[0; 4]);
        encode_request_header_into_buffer(&mut self.out, &header)
            .and_then(|()| request.encode(&mut self.out, version))
            .expect("a request of a version that it has");
        let length = u32::try_from(self.out.len() - 4).expect("a request is short");
        self.out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&self.out)?;
        Ok(())
    }

    /// The memory of the oldest answer, and its body there. The broker may be silent so often in a row.
    fn answer<R: HeaderVersion>(
        &mut self,
        version: i16,
        silences_max: u32,
        wonder: &dyn Fn(),
    ) -> Result<(Bytes, Bytes), Failed> {
        let mut answer = std::mem::take(&mut self.spare);
        answer.clear();
        let mut silences = silences_max;
        self.read(4, &mut answer, &mut silences, wonder)?;
        let length = i32::from_be_bytes(*answer.first_chunk().expect("four bytes were read"));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(strange(&"an answer beyond all bounds"));
        }
        answer.clear();
        answer.reserve(length);
        self.read(length, &mut answer, &mut silences, wonder)?;
        let memory = Bytes::from(answer);
        let mut body = memory.clone();
        let header =
            ResponseHeader::decode(&mut body, R::header_version(version)).map_err(|error| strange(&error))?;
        self.answered = self.answered.wrapping_add(1);
        if header.correlation_id != self.answered {
            return Err(strange(&"an answer to something else"));
        }
        Ok((memory, body))
    }

    /// Reads so many bytes behind those that are there.
    fn read(
        &mut self,
        bytes: usize,
        into: &mut Vec<u8>,
        silences: &mut u32,
        wonder: &dyn Fn(),
    ) -> Result<(), Failed> {
        let whole = into.len() + bytes;
        while into.len() < whole {
            let missing = (whole - into.len()) as u64;
            match (&mut self.stream).take(missing).read_to_end(into) {
                Ok(_) if into.len() < whole => {
                    return Err(Failed::Away("it ended the connection".to_owned()));
                }
                Ok(_) => {}
                // What came before the silence is kept.
                Err(error) if is_silence(&error) && *silences > 1 => {
                    *silences -= 1;
                    wonder();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Drop for Line {
    /// Somebody may hold a [`Cutter`], which would keep the connection open.
    fn drop(&mut self) {
        drop(self.stream.shutdown(Shutdown::Both));
    }
}

/// Ends a connection.
#[derive(Debug)]
pub(super) struct Cutter(TcpStream);

impl Cutter {
    pub(super) fn cut(&self) {
        // It may have ended by itself.
        drop(self.0.shutdown(Shutdown::Both));
    }
}
