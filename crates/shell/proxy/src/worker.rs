//! One worker thread: an event loop, and what its connections share.

use std::cell::RefCell;
use std::rc::Rc;

use crate::clock::Clock;
use crate::service::Deployment;

/// What the connections of one worker share. Nothing in it is locked.
pub(crate) struct Worker {
    /// Number of the worker, from 0.
    pub(crate) index: usize,
    /// The time.
    pub(crate) clock: Clock,
    /// The plan in service; requests under way may hold an older one.
    current: RefCell<Rc<Deployment>>,
}

impl Worker {
    /// The plan in service.
    pub(crate) fn service(&self) -> Rc<Deployment> {
        Rc::clone(&self.current.borrow())
    }
}
