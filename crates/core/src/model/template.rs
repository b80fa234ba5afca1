//! Strings with variables, compiled at load time into an array to walk.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::variable::Variable;

/// A compiled string such as `"$scheme://$host$request_uri"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The pieces, in order; neighbouring texts are merged.
    pub parts: Box<[Part]>,
}

/// One piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes to copy.
    Text(Box<[u8]>),
    /// A variable to evaluate.
    Variable(Variable),
}

impl Template {
    /// A template without variables.
    #[must_use]
    pub fn text(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        Self { parts: Box::new([Part::Text(bytes.into())]) }
    }

    /// The bytes of a template without variables.
    #[must_use]
    pub fn as_text(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variables in it, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }
}

impl FromIterator<Part> for Template {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        let mut merged: Vec<Part> = Vec::new();
        for part in parts {
            match (merged.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(more)) => {
                    let mut joined = Vec::from(core::mem::take(before));
                    joined.extend_from_slice(&more);
                    *before = joined.into();
                }
                (_, part) => merged.push(part),
            }
        }
        Self { parts: merged.into() }
    }
}
