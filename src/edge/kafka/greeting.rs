//! The first contact: whether the brokers talk to us at all, and if not, why.
//!
//! Enters: a [`KafkaConfig`]. Leaves: nothing, or the broker's or TLS's own reason. Always true: who is turned away
//! (certificate, user, password) is told so within half a minute, while brokers that are not there yet are waited for.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::clients::log_line;
use super::config::KafkaConfig;
use super::names::{reason, unreachable};
use super::patience::Deadline;
use crate::edge::process::locked;
use crate::edge::secret::hidden;
use crate::engine::log::LogError;
use crate::model::Topic;

/// One question.
const QUESTION: Duration = Duration::from_millis(500);
/// How long we listen to the client when there was no answer. It says one trouble at a time, and between two questions
/// not more than so many are heard.
const LISTEN: Duration = Duration::from_millis(20);
const TROUBLES: usize = 100;
/// How long brokers that are not there are waited for.
const STARTING: Duration = Duration::from_secs(25);
/// How long we go on although we are turned away: a broker that is just starting may not know its users yet.
const TURNED_AWAY: Duration = Duration::from_secs(5);

/// Asks for something small until there is an answer.
pub(super) fn greet(config: &KafkaConfig, name: &str) -> Result<(), LogError> {
    let client: BaseConsumer<Troubles> = config
        .observer(name)
        .create_with_context(Troubles::default())
        .map_err(|error| unreachable("create a client", reason(&error)))?;
    let names = config.names();
    let (patience, brief) = (Deadline::after(STARTING), Deadline::after(TURNED_AWAY));
    loop {
        let Err(error) = client.fetch_metadata(Some(names.of(Topic::Scans)), QUESTION) else {
            return Ok(());
        };
        for _ in 0..TROUBLES {
            if client.poll(LISTEN).is_none() {
                break;
            }
        }
        // The client tells a trouble that repeats itself only now and then, so an old one still counts.
        let trouble = client.context().worst();
        let is_turned_away = trouble.as_ref().is_some_and(|trouble| trouble.turns_away);
        if patience.is_over() || is_turned_away && brief.is_over() {
            let why = trouble.map_or_else(|| reason(&error), |trouble| trouble.why);
            return Err(unreachable(format!("talk to {}", config.bootstrap_servers), why));
        }
    }
}

/// In the words of the client and the broker. They name addresses and mechanisms, never the value of a property.
#[derive(Clone, Debug)]
struct Trouble {
    why: String,
    /// Asking again will hardly help.
    turns_away: bool,
}

/// What went wrong last; but to be turned away outweighs everything else.
#[derive(Debug, Default)]
struct Troubles(Mutex<Option<Trouble>>);

impl Troubles {
    fn worst(&self) -> Option<Trouble> {
        locked(&self.0).clone()
    }
}

impl ClientContext for Troubles {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, why: &str) {
        let code = error.rdkafka_error_code();
        let turns_away = matches!(
            code,
            Some(
                Code::Authentication
                    | Code::IllegalSASLState
                    | Code::SSL
                    | Code::SaslAuthenticationFailed
                    | Code::UnsupportedSASLMechanism
            )
        );
        let mut last = locked(&self.0);
        let outweighs = match &*last {
            _ if turns_away => true,
            Some(last) if last.turns_away => false,
            // That all brokers are down says less than why one of them is.
            Some(_) => code != Some(Code::AllBrokersDown),
            None => true,
        };
        if outweighs {
            *last = Some(Trouble { why: hidden(why).into_owned(), turns_away });
        }
    }
}

impl ConsumerContext for Troubles {}
