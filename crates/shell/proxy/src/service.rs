//! A plan in service: everything that can be worked out once, before the first request.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use evergate_core::model::http::{Location, LocationId, ProxyTarget, Server, ServerId, UpstreamId};
use evergate_core::model::proxy::{ListenSocket, ProxyPlan};
use evergate_core::model::status::UpstreamStatus;
use evergate_core::time::Instant;

use crate::http::proxy::idle::IdleConnections;
use crate::http::proxy::program::Program;
use crate::http::routing::Routing;
use crate::http::site::Site;
use crate::log::Logs;
use crate::proxy::{Report, StartError};
use crate::stream::StreamService;
use crate::upstream::Groups;
use crate::worker::ListenerUse;

/// A plan and the tables compiled from it, shared by all workers.
///
/// A reload makes a new one; requests under way keep the one they began with.
pub(crate) struct Service {
    /// The plan itself.
    pub(crate) plan: ProxyPlan,
    /// Servers by name, locations by URI.
    pub(crate) routing: Routing,
    /// Upstream groups of the http side.
    pub(crate) http_groups: Groups,
    /// For each location that proxies: its header operations, worked out.
    programs: Vec<Option<Box<Program>>>,
    /// Logs, and how locations make paths.
    pub(crate) site: Site,
    /// The stream side.
    pub(crate) stream: StreamService,
}

impl Service {
    /// Compiles a plan. Upstream groups take over what `previous` knows about their servers.
    pub(crate) fn compile(
        plan: ProxyPlan,
        previous: Option<&Self>,
        report: &Report,
    ) -> Result<Self, StartError> {
        let routing = Routing::new(&plan.http)?;
        let http_groups = match previous {
            Some(previous) => previous.http_groups.reconfigured(&plan.http.upstreams),
            None => Groups::new("http", &plan.http.upstreams, Arc::clone(report)),
        };
        let programs = Program::of_all(&plan.http)?;
        let logs = previous.map_or_else(|| Arc::new(Logs::new()), |previous| Arc::clone(&previous.site.logs));
        logs.close_unused();
        let before = previous.map(|previous| &previous.stream);
        let stream = StreamService::compile(&plan.stream, before, &logs, report)?;
        let site = Site::open(&plan, logs)?;
        Ok(Self { plan, routing, http_groups, programs, site, stream })
    }

    /// The settings of a server.
    pub(crate) fn server(&self, id: ServerId) -> &Server {
        &self.plan.http.servers[id.0 as usize]
    }

    /// The settings of a location.
    pub(crate) fn location(&self, id: LocationId) -> &Location {
        &self.plan.http.locations[id.0 as usize]
    }

    /// The header operations of a location that proxies.
    pub(crate) fn program(&self, id: LocationId) -> Option<&Program> {
        self.programs.get(id.0 as usize)?.as_deref()
    }

    /// All sockets that the plan listens on, and what for.
    pub(crate) fn listen_sockets(&self) -> impl Iterator<Item = (ListenerUse, &ListenSocket)> {
        let http = self.plan.http.listeners.iter().enumerate();
        let stream = self.stream.listen_sockets(&self.plan.stream);
        http.map(|(index, listener)| (ListenerUse::Http(index), &listener.socket))
            .chain(stream.map(|(index, socket)| (ListenerUse::Stream(index), socket)))
    }

    /// The state of all upstream groups.
    pub(crate) fn upstream_status(&self, now: Instant) -> Vec<UpstreamStatus> {
        let mut status = self.http_groups.status(now);
        status.extend(self.stream.upstream_status(now));
        status
    }

    /// Opens the log files anew.
    pub(crate) fn reopen_logs(&self) -> Result<(), StartError> {
        self.site.logs.reopen().into_iter().next().map_or(Ok(()), |error| Err(error.into()))
    }
}

/// A [`Service`] in one worker, with what only this worker uses of it.
pub(crate) struct Deployment {
    service: Arc<Service>,
    /// Idle connections to upstream servers.
    pub(crate) idle: RefCell<IdleConnections>,
    /// The addresses of each group's members, for `$upstream_addr`.
    addresses: Vec<Vec<Rc<str>>>,
}

impl Deployment {
    /// Puts a service into this worker.
    pub(crate) fn new(service: Arc<Service>) -> Self {
        let addresses = service.plan.http.upstreams.iter().map(addresses).collect();
        let idle = RefCell::new(IdleConnections::new(&service.plan.http));
        Self { service, idle, addresses }
    }

    /// The address of a group's member, as `$upstream_addr` shows it.
    pub(crate) fn address(&self, target: &ProxyTarget, member: usize) -> Rc<str> {
        let ProxyTarget::Upstream(UpstreamId(group)) = target;
        let known = self.addresses.get(*group as usize).and_then(|members| members.get(member));
        known.map_or_else(|| Rc::from(""), Rc::clone)
    }
}

/// Members are numbered as in [`Groups`]: the addresses of each server, in order.
fn addresses(upstream: &evergate_core::model::upstream::Upstream) -> Vec<Rc<str>> {
    use evergate_core::model::upstream::Endpoint;
    let text = |endpoint: &Endpoint| match endpoint {
        Endpoint::Ip(address) => Rc::from(address.to_string()),
        Endpoint::Unix(path) => Rc::from(format!("unix:{path}")),
    };
    upstream.servers.iter().flat_map(|server| server.addresses.iter().map(text)).collect()
}

impl Deref for Deployment {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
