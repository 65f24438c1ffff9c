//! All operations of the server, from its table of routes. An operation that the soak never requests is
//! a failure.

use std::collections::BTreeSet;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use mynah::config::Config;

use crate::load::Connection;
use crate::server::Server;

/// The method and the route of each operation.
pub(crate) type Operation = (String, String);

/// The operations of the server.
#[derive(Debug)]
pub(crate) struct Operations(BTreeSet<Operation>);

impl Operations {
    /// The operations of the compiled-in server.
    pub(crate) async fn of_routes() -> anyhow::Result<Self> {
        let pipeline = mynah::server::Server::build(&Config::default()).await?.pipeline();
        let each = pipeline.routes().iter().flat_map(|(route, methods)| {
            methods.iter().map(|method| ((*method).to_owned(), (*route).to_owned()))
        });
        Ok(Self(each.collect()))
    }

    /// Method and target of the control-plane operations that take a body, for `account`.
    pub(crate) fn control_bodies(&self, account: &str) -> Vec<(String, String)> {
        let bodies = ["PATCH", "POST", "PUT"];
        let of_control = self.0.iter().filter(|(method, route)| {
            bodies.contains(&method.as_str()) && route.starts_with("/_mynah/")
        });
        let filled = |route: &str| route.replace("{id}", account).replace(['{', '}'], "");
        of_control.map(|(method, route)| (method.clone(), filled(route))).collect()
    }

    /// The operations that `server` never received, according to its metrics.
    pub(crate) async fn unrequested(&self, server: &Server) -> anyhow::Result<Vec<String>> {
        let metrics = metrics(server).await?;
        let asked = |(method, route): &&Operation| {
            let labels = [format!("method=\"{method}\""), format!("route=\"{route}\"")];
            metrics.lines().any(|line| {
                let counts = line.starts_with("mynah_requests_total{");
                counts && labels.iter().all(|label| line.contains(label))
            })
        };
        let unrequested = self.0.iter().filter(|operation| !asked(operation));
        Ok(unrequested.map(|(method, route)| format!("{method} {route}")).collect())
    }
}

/// Number of open streams, from the server's metrics.
pub(crate) async fn open_streams(server: &Server) -> anyhow::Result<u64> {
    let metrics = metrics(server).await?;
    let open = metrics.lines().find_map(|line| line.strip_prefix("mynah_streams_open "));
    open.and_then(|open| open.trim().parse().ok()).context("no count of open streams")
}

async fn metrics(server: &Server) -> anyhow::Result<String> {
    let request = Request::get("/_mynah/metrics").header(header::HOST, "127.0.0.1");
    let request = request.body(Full::new(Bytes::new()))?;
    // A new connection, closed before descriptors are counted.
    Connection::open(server.address).await?.send(request).await?.text()
}
