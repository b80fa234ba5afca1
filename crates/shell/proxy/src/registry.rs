//! The connections of one worker, so that it can close them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What a connection is doing, as far as closing it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It has a request or session under way.
    Busy,
    /// It waits for a request.
    Idle,
}

/// All connections of one worker.
#[derive(Default)]
pub(crate) struct Registry {
    entries: RefCell<Vec<Option<Entry>>>,
    free: RefCell<Vec<usize>>,
    open: Cell<usize>,
    /// Woken when a connection ends.
    ended: Notify,
}

struct Entry {
    activity: Rc<Cell<Activity>>,
    task: AbortHandle,
}

/// A connection's place in the registry; it leaves when this is dropped.
pub(crate) struct Place {
    registry: Rc<Registry>,
    index: usize,
    activity: Rc<Cell<Activity>>,
}

impl Registry {
    /// A place for a connection that is about to start; it begins busy.
    pub(crate) fn enter(self: &Rc<Self>) -> Place {
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut entries = self.entries.borrow_mut();
            entries.push(None);
            entries.len() - 1
        });
        self.open.set(self.open.get() + 1);
        Place { registry: Rc::clone(self), index, activity: Rc::new(Cell::new(Activity::Busy)) }
    }

    /// Whether there is no room for another connection under `limit`.
    pub(crate) fn is_full(&self, limit: usize, others: &Cell<usize>) -> bool {
        self.open.get() + others.get() >= limit
    }

    /// Waits until there is room for another connection under `limit`; `others` counts those that
    /// are not in the registry. Connections that wait for a request make room.
    pub(crate) async fn room(&self, limit: usize, others: &Cell<usize>) {
        while self.is_full(limit, others) {
            self.close_one_idle();
            self.ended.notified().await;
        }
    }

    /// Something outside the registry ended: whoever waits for room looks again.
    pub(crate) fn look_again(&self) {
        self.ended.notify_waiters();
    }

    /// Waits until the last connection is gone.
    pub(crate) async fn empty(&self) {
        while self.open.get() > 0 {
            self.ended.notified().await;
        }
    }

    /// Closes all connections that wait for a request.
    pub(crate) fn close_idle(&self) {
        for entry in self.entries.borrow().iter().flatten() {
            if entry.activity.get() == Activity::Idle {
                entry.task.abort();
            }
        }
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self) {
        for entry in self.entries.borrow().iter().flatten() {
            entry.task.abort();
        }
    }

    /// Closes a connection that waits for a request, to make room.
    fn close_one_idle(&self) {
        let entries = self.entries.borrow();
        let idle = entries.iter().flatten().find(|entry| entry.activity.get() == Activity::Idle);
        if let Some(entry) = idle {
            // It is gone after its task ran once more; counted as busy, it is not chosen again.
            entry.activity.set(Activity::Busy);
            entry.task.abort();
        }
    }
}

impl Place {
    /// The task that was started for this place; `start` gets the place to keep.
    pub(crate) fn occupy(self, start: impl FnOnce(Self) -> AbortHandle) {
        let (registry, index) = (Rc::clone(&self.registry), self.index);
        let activity = Rc::clone(&self.activity);
        let task = start(self);
        if let Some(entry) = registry.entries.borrow_mut().get_mut(index) {
            *entry = Some(Entry { activity, task });
        }
    }

    /// Says what the connection is doing from now on.
    pub(crate) fn set(&self, activity: Activity) {
        self.activity.set(activity);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let registry = &self.registry;
        if let Some(entry) = registry.entries.borrow_mut().get_mut(self.index) {
            *entry = None;
        }
        registry.free.borrow_mut().push(self.index);
        registry.open.set(registry.open.get().saturating_sub(1));
        registry.ended.notify_waiters();
        registry.ended.notify_one();
    }
}
