//! The stations: scan, shipment, ledger.
