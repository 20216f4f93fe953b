//! A commit that the network held back comes while the next transaction is open.
