//! `evergate demo-app`: an application server that says who it is.
//!
//! | path | answer |
//! |---|---|
//! | `/` | who answered, the how-manieth request, and what arrived |
//! | `/json` | the same as JSON |
//! | `/headers` | the request's head as it arrived |
//! | `/bytes/N` | N bytes |
//! | `/sleep/MS` | the answer of `/`, MS milliseconds later |
//! | `/status/CODE` | that status |
//! | `/echo` | the request's body |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Largest request body that `/echo` takes, and largest answer of `/bytes`.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Longest `/sleep`.
const MAX_SLEEP: Duration = Duration::from_secs(600);

struct App {
    name: String,
    served: AtomicU64,
}

/// Serves until the process is ended.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) fn serve(name: String, listen: SocketAddr) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let listener = TcpListener::bind(listen).await?;
        println!("{name} listens on {}", listener.local_addr()?);
        let app = Rc::new(App { name, served: AtomicU64::new(0) });
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    eprintln!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            stream.set_nodelay(true)?;
            let app = Rc::clone(&app);
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request| answer(Rc::clone(&app), peer, request));
                let mut server = hyper::server::conn::http1::Builder::new();
                server.timer(TokioTimer::new()).half_close(true);
                if let Err(error) =
                    server.serve_connection(TokioIo::new(stream), service).with_upgrades().await
                    && !error.is_incomplete_message()
                {
                    eprintln!("{peer}: {error}");
                }
            });
        }
    })
}

async fn answer(
    app: Rc<App>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = app.served.fetch_add(1, Ordering::Relaxed) + 1;
    let path = request.uri().path().to_owned();
    let (first, rest) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let mut response = match (first, rest.parse::<u64>()) {
        ("bytes", Ok(count)) if count <= MAX_BODY as u64 => {
            text(StatusCode::OK, vec![b'x'; usize::try_from(count).unwrap_or(MAX_BODY)])
        }
        ("sleep", Ok(wait)) => {
            tokio::time::sleep(Duration::from_millis(wait).min(MAX_SLEEP)).await;
            text(StatusCode::OK, describe(&app, peer, number, &request))
        }
        ("status", Ok(code)) => {
            let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
            text(status.unwrap_or(StatusCode::BAD_REQUEST), format!("{} says {code}\n", app.name))
        }
        ("headers", _) => text(StatusCode::OK, head(&request)),
        ("json", _) => {
            let body = serde_json::json!({
                "served_by": app.name, "request": number, "method": request.method().as_str(),
                "uri": request.uri().to_string(), "peer": peer.to_string(),
            });
            let mut response = text(StatusCode::OK, format!("{body}\n"));
            response
                .headers_mut()
                .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
            response
        }
        ("echo", _) => match Limited::new(request.into_body(), MAX_BODY).collect().await {
            Ok(body) => text(StatusCode::OK, body.to_bytes()),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        },
        ("" | "index.html", _) => text(StatusCode::OK, describe(&app, peer, number, &request)),
        _ => text(StatusCode::NOT_FOUND, format!("{} has no {path}\n", app.name)),
    };
    if let Ok(name) = app.name.parse() {
        response.headers_mut().insert("x-served-by", name);
    }
    Ok(response)
}

fn describe(app: &App, peer: SocketAddr, number: u64, request: &Request<Incoming>) -> String {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or("-");
    format!(
        "{} answers request {number}: {} {} for host {host}, from {peer}\n",
        app.name,
        request.method(),
        request.uri()
    )
}

fn head(request: &Request<Incoming>) -> String {
    let mut head = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    head
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/plain"));
    response
}
