//! Who owns which partition, and where its owner answers.
//!
//! Enters: the group's members. Leaves: an address per partition. Always true: nothing is written for it: a member's
//! client ID carries the address, and the group's own record of its assignment says what it owns.

use std::collections::BTreeMap;

use rdkafka::groups::GroupInfo;

use super::names::partition_of;
use crate::model::Partition;

/// Stands between a member's client ID and the address of its process.
const MARK: char = '@';

/// The client ID of a member whose process answers at `address`.
pub(super) fn client_id(id: &str, address: &str) -> String {
    format!("{id}{MARK}{address}")
}

/// The addresses of the owners of a topic's partitions, as far as they tell them.
pub(super) fn addresses(group: &GroupInfo, topic: &str) -> BTreeMap<Partition, String> {
    let mut owners = BTreeMap::new();
    for member in group.members() {
        let Some((_, address)) = member.client_id().split_once(MARK) else { continue };
        for partition in assigned(member.assignment().unwrap_or_default(), topic).unwrap_or_default() {
            owners.insert(partition_of(partition), address.to_owned());
        }
    }
    owners
}

/// A topic's partitions in an assignment of the consumer protocol: a version, then per topic its name and partitions.
fn assigned(mut bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    let _version = take::<2>(&mut bytes)?;
    let topics = i32::from_be_bytes(take(&mut bytes)?);
    let mut found = Vec::new();
    for _ in 0..topics {
        let length = usize::from(u16::from_be_bytes(take(&mut bytes)?));
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
            let partition = i32::from_be_bytes(take(&mut bytes)?);
            if name == topic.as_bytes() {
                found.push(partition);
            }
        }
    }
    Some(found)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_or_it_is_none() {
        let whole =
            b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x01\0\0\0\x07\0\x01b\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\0\0\0";
        assert_eq!(assigned(whole, "b"), Some(vec![1, 3]));
        assert_eq!(assigned(whole, "c"), Some(vec![]));
        for length in 0..whole.len() - 4 {
            assert_eq!(assigned(&whole[..length], "a"), None, "{length} bytes");
        }
    }
}
