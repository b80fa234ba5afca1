//! Buffers for texts that are put together, used and forgotten at once.

use std::cell::RefCell;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that grew beyond this are not kept.
const LARGEST_KEPT: usize = 64 * 1024;

/// Lends an empty buffer to `work`; buffers are used again, so that nothing is allocated once they
/// have grown.
pub(crate) fn with_scratch<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = work(&mut buffer);
    if buffer.capacity() <= LARGEST_KEPT {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| spare.push(buffer));
    }
    result
}
