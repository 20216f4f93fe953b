//! Visitors that no shape surprises: a wrong type is a value here, not a parser's error.
//!
//! Enters: a serde deserializer. Leaves: whatever an [`Accept`] makes of the shape it was shown. Always true: the
//! whole value is consumed, so that the reader behind it stays in step; the only errors are the reader's own.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The largest integer that every JSON writer writes exactly: 2^53.
const EXACT_MAX: u64 = 1 << 53;

/// The shape of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    Bool(bool),
    /// A number; its value, if it is a whole one from 0 that is exact.
    Number(Option<u64>),
    Text,
    List,
    Object,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Null => "null",
            Shape::Bool(_) => "a boolean",
            Shape::Number(Some(value)) => return value.fmt(f),
            Shape::Number(None) => "a negative, fractional or huge number",
            Shape::Text => "a string",
            Shape::List => "a list",
            Shape::Object => "an object",
        })
    }
}

/// What to make of a value. Each shape that is not overridden ends in [`Accept::shape`].
pub(crate) trait Accept<'de>: Sized {
    /// What it makes.
    type Out;

    /// A value of which only the shape matters.
    fn shape(self, shape: Shape) -> Self::Out;

    /// A string.
    fn text(self, _text: Cow<'de, str>) -> Self::Out {
        self.shape(Shape::Text)
    }

    /// A list.
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Out, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.shape(Shape::List))
    }

    /// An object.
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Out, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.shape(Shape::Object))
    }
}

/// Makes a seed of an [`Accept`].
pub(crate) struct Any<T>(pub(crate) T);

impl<'de, T: Accept<'de>> DeserializeSeed<'de> for Any<T> {
    type Value = T::Out;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Out, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Accept<'de>> Visitor<'de> for Any<T> {
    type Value = T::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<T::Out, E> {
        Ok(self.0.shape(Shape::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T::Out, E> {
        Ok(self.0.shape(Shape::Bool(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T::Out, E> {
        Ok(self.0.shape(Shape::Number((value <= EXACT_MAX).then_some(value))))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T::Out, E> {
        self.visit_u64(u64::try_from(value).unwrap_or(u64::MAX))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T::Out, E> {
        Ok(self.0.shape(Shape::Number(None)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T::Out, E> {
        Ok(self.0.text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T::Out, E> {
        Ok(self.0.text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T::Out, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T::Out, A::Error> {
        self.0.object(object)
    }
}

/// A value that may be a string.
#[derive(Debug)]
pub(crate) enum Scalar<'de> {
    Text(Cow<'de, str>),
    Other(Shape),
}

/// Accepts a [`Scalar`].
pub(crate) struct AcceptScalar;

impl<'de> Accept<'de> for AcceptScalar {
    type Out = Scalar<'de>;

    fn shape(self, shape: Shape) -> Scalar<'de> {
        Scalar::Other(shape)
    }

    fn text(self, text: Cow<'de, str>) -> Scalar<'de> {
        Scalar::Text(text)
    }
}
