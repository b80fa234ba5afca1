//! Buffers that connections borrow while they have something to read or write.

use std::cell::RefCell;

/// Size of a buffer for heads and small bodies, in bytes.
pub(crate) const SMALL_BYTES: usize = 16 * 1024;
/// Size of a buffer for large bodies, in bytes.
pub(crate) const LARGE_BYTES: usize = 128 * 1024;
/// Large buffers that are kept; more are freed.
const KEPT_LARGE: usize = 32;
/// Buffers of another kind that are kept; more are freed.
const KEPT: usize = 256;

/// One worker's spare buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    texts: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// A buffer of [`SMALL_BYTES`].
    pub(crate) fn small(&self) -> Vec<u8> {
        self.small.borrow_mut().pop().unwrap_or_else(|| vec![0; SMALL_BYTES])
    }

    /// A buffer of [`LARGE_BYTES`].
    pub(crate) fn large(&self) -> Vec<u8> {
        self.large.borrow_mut().pop().unwrap_or_else(|| vec![0; LARGE_BYTES])
    }

    /// Takes back what [`Buffers::small`] or [`Buffers::large`] gave; one that has grown is freed.
    pub(crate) fn put(&self, buffer: Vec<u8>) {
        let (shelf, kept) = match buffer.len() {
            SMALL_BYTES => (&self.small, KEPT),
            LARGE_BYTES => (&self.large, KEPT_LARGE),
            _ => return,
        };
        let mut shelf = shelf.borrow_mut();
        if shelf.len() < kept {
            shelf.push(buffer);
        }
    }

    /// An empty buffer to write a text into.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a text's buffer back.
    pub(crate) fn put_text(&self, mut text: Vec<u8>) {
        let mut shelf = self.texts.borrow_mut();
        if shelf.len() < KEPT && text.capacity() <= SMALL_BYTES {
            text.clear();
            shelf.push(text);
        }
    }
}
