//! Tracking number → shipment and box.
