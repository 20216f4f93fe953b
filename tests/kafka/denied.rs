//! Rights that are gone: the worker ends and says which, and asks no further. Before brokers of the client's own, which
//! answer with any error that they are told.

use dockside::edge::kafka::{KafkaBroker, KafkaConfig};
use dockside::engine::log::{Broker, Committed, Epoch, Log, LogError};
use dockside::model::{Lane, Topic};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Answer};
use std::time::Duration;

use super::{assigned, outputs};

#[test]
fn a_right_that_is_gone_ends_the_worker() {
    let brokers = MockCluster::new(1).expect("brokers in this process");
    let config = KafkaConfig {
        bootstrap_servers: brokers.bootstrap_servers(),
        topic_prefix: "denied.".to_owned(),
        group_id: "denied".to_owned(),
        instance: "denied-test".to_owned(),
        partitions: 1,
        ..KafkaConfig::default()
    };
    for topic in Topic::ALL {
        brokers.create_topic(&format!("denied.{}", topic.name()), 1, 1).expect("a topic");
    }
    let broker = KafkaBroker::open(&config).expect("brokers with topics");
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let epoch = outputs(&["one"]);
    let epoch = || Epoch { outputs: &epoch, positions: &positions };
    assert_eq!(member.commit(epoch()).expect("a commit"), Committed::Done);

    // Exit code 4, with the broker's words.
    let is_told = |error: &LogError| !error.refused && error.why.contains("authorization failed");
    let mut findings = Vec::new();
    for (name, api, answer) in [
        ("a topic", Api::AddPartitionsToTxn, Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        ("to write", Api::Produce, Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        ("a group", Api::AddOffsetsToTxn, Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED),
        ("positions", Api::TxnOffsetCommit, Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED),
        ("the end", Api::EndTxn, Answer::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ("the name", Api::InitProducerId, Answer::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    ] {
        brokers.request_errors(api, &[answer]);
        match member.commit(epoch()) {
            Err(error) if is_told(&error) => {}
            Ok(Committed::InDoubt) => {
                findings.push(format!("{name}: in doubt"));
                member.resolve().expect("positions");
            }
            other => findings.push(format!("{name}: {other:?}")),
        }
    }
    brokers.request_errors(Api::Fetch, &[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 16]);
    let failure = (0..3_000).find_map(|_| member.poll(Lane::Scans, 10, Duration::from_millis(10)).err());
    if !failure.as_ref().is_some_and(is_told) {
        findings.push(format!("to read: {failure:?}"));
    }
    assert!(findings.is_empty(), "{findings:#?}");
}
