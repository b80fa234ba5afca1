//! A plan in service: everything that can be worked out once, before the first request.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

use evergate_core::model::http::{Location, LocationId, Server, ServerId};
use evergate_core::model::proxy::ProxyPlan;

/// A plan and the tables compiled from it, shared by all workers.
///
/// A reload makes a new one; requests under way keep the one they began with.
pub(crate) struct Service {
    /// The plan itself.
    pub(crate) plan: ProxyPlan,
}

impl Service {
    /// The settings of a server.
    pub(crate) fn server(&self, id: ServerId) -> &Server {
        &self.plan.http.servers[id.0 as usize]
    }

    /// The settings of a location.
    pub(crate) fn location(&self, id: LocationId) -> &Location {
        &self.plan.http.locations[id.0 as usize]
    }
}

/// A [`Service`] in one worker, with what only this worker uses of it.
pub(crate) struct Deployment {
    service: Arc<Service>,
    /// Buffers for texts that are put together and used at once.
    pub(crate) scratch: RefCell<Vec<Vec<u8>>>,
}

impl Deref for Deployment {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
