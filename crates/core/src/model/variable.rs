//! nginx's variables, resolved from their names at load time.

use alloc::boxed::Box;

macro_rules! variables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A variable of the http or stream side.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Variable {
            $($(#[$doc])* $variant,)*
            /// `$http_NAME`: a request header; the name is in lower case with `_` for `-`.
            RequestHeader(Box<str>),
            /// `$sent_http_NAME`: a header of the answer.
            SentHeader(Box<str>),
            /// `$sent_trailer_NAME`: a trailer of the answer.
            SentTrailer(Box<str>),
            /// `$upstream_http_NAME`: a header of the upstream's answer.
            UpstreamHeader(Box<str>),
            /// `$upstream_trailer_NAME`: a trailer of the upstream's answer.
            UpstreamTrailer(Box<str>),
            /// `$upstream_cookie_NAME`: a cookie set by the upstream.
            UpstreamCookie(Box<str>),
            /// `$arg_NAME`: an argument of the request line.
            Argument(Box<str>),
            /// `$cookie_NAME`: a cookie of the request.
            Cookie(Box<str>),
            /// `$1` … `$9`: a group of the last regular expression that matched.
            Capture(u8),
            /// A variable that the configuration defines (named group, `set`, `map` …): an index
            /// into the plan's list of user variables.
            User(u16),
        }

        impl Variable {
            /// Every variable with a fixed name.
            pub const FIXED: &'static [(&'static str, Variable)] = &[$(($name, Variable::$variant),)*];

            /// The name of a variable with a fixed name, without the `$`.
            #[must_use]
            pub fn fixed_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

variables! {
    /// Arguments of the request line.
    Args = "args",
    /// The same as `$args`.
    QueryString = "query_string",
    /// The client's address in binary form.
    BinaryRemoteAddr = "binary_remote_addr",
    /// Bytes of body sent to the client.
    BodyBytesSent = "body_bytes_sent",
    /// Bytes sent to the client.
    BytesSent = "bytes_sent",
    /// Bytes received from the client (stream).
    BytesReceived = "bytes_received",
    /// The connection's serial number.
    Connection = "connection",
    /// Requests made so far through this connection.
    ConnectionRequests = "connection_requests",
    /// Seconds since the connection was accepted, with milliseconds.
    ConnectionTime = "connection_time",
    /// The request's `Content-Length`.
    ContentLength = "content_length",
    /// The request's `Content-Type`.
    ContentType = "content_type",
    /// The file for this request, with links resolved: `root`.
    DocumentRoot = "document_root",
    /// The normalised URI.
    DocumentUri = "document_uri",
    /// Host from the request line, the `Host` header, or the server's name.
    Host = "host",
    /// The name of this machine.
    Hostname = "hostname",
    /// `on` under TLS, else empty.
    Https = "https",
    /// `?` if the request line has arguments.
    IsArgs = "is_args",
    /// The rate limit of the answer.
    LimitRate = "limit_rate",
    /// Unix time in seconds with milliseconds.
    Msec = "msec",
    /// Version of nginx whose behaviour is claimed.
    NginxVersion = "nginx_version",
    /// The worker's process id.
    Pid = "pid",
    /// `p` if the request was pipelined, else `.`.
    Pipe = "pipe",
    /// `TCP` or `UDP` (stream).
    Protocol = "protocol",
    /// Client address from the PROXY protocol header.
    ProxyProtocolAddr = "proxy_protocol_addr",
    /// Client port from the PROXY protocol header.
    ProxyProtocolPort = "proxy_protocol_port",
    /// Server address from the PROXY protocol header.
    ProxyProtocolServerAddr = "proxy_protocol_server_addr",
    /// Server port from the PROXY protocol header.
    ProxyProtocolServerPort = "proxy_protocol_server_port",
    /// `proxy_pass`'s host and port.
    ProxyHost = "proxy_host",
    /// `proxy_pass`'s port.
    ProxyPort = "proxy_port",
    /// `X-Forwarded-For` with the client's address appended.
    ProxyAddXForwardedFor = "proxy_add_x_forwarded_for",
    /// The `root` or `alias` with all symbolic links resolved.
    RealpathRoot = "realpath_root",
    /// The client's address.
    RemoteAddr = "remote_addr",
    /// The client's port.
    RemotePort = "remote_port",
    /// User name of basic authentication.
    RemoteUser = "remote_user",
    /// The request line as received.
    Request = "request",
    /// The request body, if it was read into memory.
    RequestBody = "request_body",
    /// The file that holds the request body.
    RequestBodyFile = "request_body_file",
    /// `OK` if the request is finished, else empty.
    RequestCompletion = "request_completion",
    /// File path for the request: root or alias and URI.
    RequestFilename = "request_filename",
    /// Sixteen random bytes in hexadecimal.
    RequestId = "request_id",
    /// Length of the request: line, headers and body.
    RequestLength = "request_length",
    /// The request method.
    RequestMethod = "request_method",
    /// Seconds since the first byte of the request, with milliseconds.
    RequestTime = "request_time",
    /// The URI as received, with arguments.
    RequestUri = "request_uri",
    /// `http` or `https`.
    Scheme = "scheme",
    /// The address that accepted the request.
    ServerAddr = "server_addr",
    /// The name of the server that accepted the request.
    ServerName = "server_name",
    /// The port that accepted the request.
    ServerPort = "server_port",
    /// `HTTP/1.0`, `HTTP/1.1` …
    ServerProtocol = "server_protocol",
    /// Seconds that a stream session took, with milliseconds.
    SessionTime = "session_time",
    /// Status of the answer, or of the stream session.
    Status = "status",
    /// Round-trip time of the connection, in microseconds.
    TcpinfoRtt = "tcpinfo_rtt",
    /// Variation of the round-trip time, in microseconds.
    TcpinfoRttvar = "tcpinfo_rttvar",
    /// Congestion window of the connection.
    TcpinfoSndCwnd = "tcpinfo_snd_cwnd",
    /// Receive window of the connection.
    TcpinfoRcvSpace = "tcpinfo_rcv_space",
    /// Local time in ISO 8601.
    TimeIso8601 = "time_iso8601",
    /// Local time in the common log format.
    TimeLocal = "time_local",
    /// Addresses of the upstream servers that were tried.
    UpstreamAddr = "upstream_addr",
    /// Bytes received from each upstream server.
    UpstreamBytesReceived = "upstream_bytes_received",
    /// Bytes sent to each upstream server.
    UpstreamBytesSent = "upstream_bytes_sent",
    /// Seconds spent on connecting to each upstream server.
    UpstreamConnectTime = "upstream_connect_time",
    /// Seconds until the first byte from each upstream server (stream).
    UpstreamFirstByteTime = "upstream_first_byte_time",
    /// Seconds until the header of each upstream answer.
    UpstreamHeaderTime = "upstream_header_time",
    /// Length of the answer of each upstream server.
    UpstreamResponseLength = "upstream_response_length",
    /// Seconds that each upstream server took.
    UpstreamResponseTime = "upstream_response_time",
    /// Seconds of each upstream session (stream).
    UpstreamSessionTime = "upstream_session_time",
    /// Status of each upstream answer.
    UpstreamStatus = "upstream_status",
    /// The normalised URI, as it stands after internal redirects.
    Uri = "uri",
}
