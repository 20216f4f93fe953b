//! The data plane of a member: one queue of the client per lane, read in bulk.
//!
//! Enters: partitions whose own queues are forwarded here. Leaves: what the client fetched of them, in order per
//! partition: records, ends, failures. Always true:
//! - what is lent to the reader is given back to the client before the call returns: no message outlives it, so none
//!   pins the buffer it was fetched in;
//! - the queue is gone before its consumer, which would wait for it for ever;
//! - a message of an assignment that has ended is dropped by the client itself, and a new assignment gets new queues.
//!
//! The only module that calls the client's C interface: its safe wrapper has no bulk read, and loses the offset of an end.
#![expect(unsafe_code, reason = "rd_kafka_consume_batch_queue has no safe wrapper")]

use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;
use sys::rd_kafka_resp_err_t as Code;

use super::clients::Bell;
use super::names::{kafka_partition, offset_of, partition_of};
use crate::engine::log::Record;
use crate::model::{Partition, Timestamp};

/// Messages are taken from the client in handfuls, so that a size limit holds to within one of them.
const HANDFUL: usize = 256;

/// One thing that was fetched.
#[derive(Debug)]
pub(super) enum Fetched<'a> {
    Record(Partition, Record<'a>, AllHeaders<'a>),
    /// Everything before this offset was read, and there is no more now.
    End(Partition, u64),
    Failed(RDKafkaErrorCode),
}

/// The headers of a record, in their order.
#[derive(Clone, Copy)]
pub(super) struct AllHeaders<'a>(&'a sys::rd_kafka_message_t);

impl AllHeaders<'_> {
    /// Shows each name and value. A name need not be text: Kafka takes any bytes.
    pub(super) fn each(self, see: impl FnMut(&[u8], &[u8])) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid and owns its headers, which live as long as `self`.
        unsafe {
            let found = sys::rd_kafka_message_headers(self.0, &raw mut headers);
            if found == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                walk(headers, see);
            }
        }
    }
}

impl fmt::Debug for AllHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        self.each(|name, _| {
            list.entry(&String::from_utf8_lossy(name));
        });
        list.finish()
    }
}

/// # Safety
/// The headers are valid.
unsafe fn walk(headers: *const sys::rd_kafka_headers_t, mut see: impl FnMut(&[u8], &[u8])) {
    for at in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0_usize);
        // SAFETY: the headers are valid; the pointers go to our own variables.
        let found = unsafe {
            sys::rd_kafka_header_get_all(headers, at, &raw mut name, &raw mut value, &raw mut size)
        };
        if found != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        // SAFETY: the client keeps names with a NUL behind them, and a value of so many bytes, in the headers.
        unsafe { see(CStr::from_ptr(name).to_bytes(), bytes(value, size).unwrap_or_default()) };
    }
}

/// A queue that partitions' queues are forwarded to.
pub(super) struct DataQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Rung by the client when the queue is not empty any more; it holds a pointer to this.
    bell: Arc<Bell>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: the client's queues may be used from any thread; `&mut self` keeps it to one at a time.
unsafe impl Send for DataQueue {}

impl DataQueue {
    /// A queue of that consumer, which must outlive it.
    pub(super) fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>, bell: &Arc<Bell>) -> DataQueue {
        // SAFETY: the consumer's handle is valid as long as the consumer, and the new queue is ours to destroy.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("a queue is allocated or the process ends");
        let bell = Arc::clone(bell);
        // SAFETY: the bell lives in an `Arc` that we hold until the callback is taken away again, in `drop`.
        unsafe {
            let opaque = Arc::as_ptr(&bell).cast_mut().cast::<c_void>();
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(ring), opaque);
        }
        DataQueue { queue, bell, messages: Vec::with_capacity(HANDFUL) }
    }

    /// From now on, what is fetched of that partition comes here.
    pub(super) fn forward<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        topic: &str,
        partition: Partition,
    ) {
        let topic = CString::new(topic).expect("a topic's name has no NUL");
        // SAFETY: the handle and both queues are valid here; the reference to the partition's queue is given back.
        unsafe {
            let handle = consumer.client().native_ptr();
            let own = sys::rd_kafka_queue_get_partition(handle, topic.as_ptr(), kafka_partition(partition));
            assert!(!own.is_null(), "the group gave us that partition");
            sys::rd_kafka_queue_forward(own, self.queue.as_ptr());
            sys::rd_kafka_queue_destroy(own);
        }
    }

    /// Shows what was fetched to `each`, without waiting: at most `max` messages, and no further handful once `each`
    /// says that it has enough.
    pub(super) fn take(&mut self, max: usize, mut each: impl FnMut(Fetched<'_>) -> Enough) {
        let mut left = max;
        while left > 0 {
            let handful = left.min(HANDFUL);
            self.messages.resize(handful, ptr::null_mut());
            // SAFETY: the array has room for `handful` pointers, and the queue is ours.
            let got = unsafe {
                let room = self.messages.as_mut_ptr();
                sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, room, handful)
            };
            // -1 reports that the queue's reader is not allowed to read, which cannot be here.
            let got = usize::try_from(got).expect("the queue is ours to read");
            let mut enough = Enough::No;
            for &message in &self.messages[..got] {
                // SAFETY: the client filled in valid messages, ours until they are destroyed below.
                enough = each(unsafe { fetched(&*message) });
            }
            for &message in &self.messages[..got] {
                // SAFETY: as above, and nothing borrowed from it is left: `each` got a shorter lifetime.
                unsafe { sys::rd_kafka_message_destroy(message) };
            }
            if got < handful || enough == Enough::Yes {
                return;
            }
            left -= got;
        }
    }
}

/// How many events wait in the queue that polling the consumer serves, one each time: rebalances, errors, lines of log.
pub(super) fn events<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> usize {
    // SAFETY: the handle is valid as long as the consumer; the reference to its queue is given back.
    unsafe {
        let queue = sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        if queue.is_null() {
            return 0;
        }
        let length = sys::rd_kafka_queue_length(queue);
        sys::rd_kafka_queue_destroy(queue);
        length
    }
}

/// Whether the reader has enough for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    Yes,
    No,
}

impl Drop for DataQueue {
    fn drop(&mut self) {
        // SAFETY: taking the callback away waits for a running one (both hold the queue's lock), so that nobody uses
        // the bell's pointer afterwards; the queue is ours, and not used again.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        self.bell.ring();
    }
}

/// Called by the client's threads.
unsafe extern "C" fn ring(_: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: the pointer is the bell's, which the queue holds for as long as this callback is set.
    let bell = unsafe { &*opaque.cast_const().cast::<Bell>() };
    bell.ring();
}

/// # Safety
/// The message is one that the client handed out and that was not destroyed yet.
unsafe fn fetched(message: &sys::rd_kafka_message_t) -> Fetched<'_> {
    match message.err {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
            return Fetched::End(partition_of(message.partition), offset_of(message.offset));
        }
        other => return Fetched::Failed(other.into()),
    }
    // SAFETY: the message is valid; these only read it.
    let (timestamp, content_type, feed) = unsafe {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let timestamp = sys::rd_kafka_message_timestamp(message, &raw mut kind);
        (timestamp, header(message, c"content-type"), header(message, c"dockside-feed"))
    };
    let record = Record {
        offset: offset_of(message.offset),
        // -1 says that there is none.
        timestamp: Timestamp(timestamp.max(0)),
        // SAFETY: the key is null, or points to so many bytes that live as long as the message.
        key: unsafe { bytes(message.key, message.key_len) },
        // SAFETY: so does the payload.
        value: unsafe { bytes(message.payload, message.len) },
        content_type,
        feed,
    };
    Fetched::Record(partition_of(message.partition), record, AllHeaders(message))
}

/// # Safety
/// `start` is null or points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })
}

/// The last header of that name.
///
/// # Safety
/// As for [`fetched`].
unsafe fn header<'a>(message: &'a sys::rd_kafka_message_t, name: &CStr) -> Option<&'a [u8]> {
    let (mut headers, mut value, mut size) = (ptr::null_mut(), ptr::null(), 0_usize);
    // SAFETY: the message is valid and owns its headers; the pointers go to our own variables.
    unsafe {
        let found = sys::rd_kafka_message_headers(message, &raw mut headers);
        if found != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let found = sys::rd_kafka_header_get_last(headers, name.as_ptr(), &raw mut value, &raw mut size);
        if found != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        bytes(value, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_any_bytes_are_shown_in_their_order() {
        let given: [(&CStr, &[u8]); 4] = [
            (c"dockside-feed", b"ups"),
            (c"\xff\xfe", b"\x00\x01"),
            (c"", b""),
            (c"dockside-feed", b"fedex"),
        ];
        let mut seen = Vec::new();
        // SAFETY: the headers are ours until they are destroyed, and the client copies what it is given.
        unsafe {
            let headers = sys::rd_kafka_headers_new(given.len());
            for (name, value) in given {
                let (value, size) =
                    (value.as_ptr().cast::<c_void>(), isize::try_from(value.len()).expect("few"));
                let added = sys::rd_kafka_header_add(headers, name.as_ptr(), -1, value, size);
                assert_eq!(added, Code::RD_KAFKA_RESP_ERR_NO_ERROR);
            }
            walk(headers, |name, value| seen.push((name.to_vec(), value.to_vec())));
            sys::rd_kafka_headers_destroy(headers);
        }
        assert_eq!(seen, given.map(|(name, value)| (name.to_bytes().to_vec(), value.to_vec())));
    }
}
