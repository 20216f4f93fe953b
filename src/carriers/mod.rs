//! The catalogue of carriers: number formats, check digits, canonical form and code maps.
