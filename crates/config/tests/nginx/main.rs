//! The nginx configuration language from outside: messages, plans, and the tutorials' listings.

mod cases;
mod corpus;
mod golden;
mod host;
mod plan;
mod seeds;
