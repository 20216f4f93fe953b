//! What a number shows: progress, its join, and the view.
