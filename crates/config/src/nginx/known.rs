//! Directives of stock nginx 1.29 that are not built yet: refused by name, never ignored.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::call::Fault;
use super::directive::Context;

/// nginx's modules, and the names in each that no table here has.
pub(super) const MODULES: &[(&str, &str)] = &[
    (
        "ngx_core_module",
        "debug_points google_perftools_profiles ssl_engine ssl_object_cache_inheritable thread_pool",
    ),
    ("ngx_event_quic_module", "quic_bpf"),
    (
        "ngx_http_core_module",
        "auth_delay client_body_in_file_only disable_symlinks early_hints limit_except limit_rate limit_rate_after \
         log_subrequest max_headers resolver resolver_timeout satisfy subrequest_output_buffer_size",
    ),
    ("ngx_http_access_module", "allow deny"),
    ("ngx_http_addition_module", "add_after_body add_before_body addition_types"),
    ("ngx_http_auth_basic_module", "auth_basic auth_basic_user_file"),
    ("ngx_http_auth_request_module", "auth_request auth_request_set"),
    ("ngx_http_autoindex_module", "autoindex autoindex_exact_size autoindex_format autoindex_localtime"),
    ("ngx_http_browser_module", "ancient_browser ancient_browser_value modern_browser modern_browser_value"),
    ("ngx_http_charset_module", "charset charset_map charset_types override_charset source_charset"),
    ("ngx_http_dav_module", "create_full_put_path dav_access dav_methods min_delete_depth"),
    ("ngx_http_empty_gif_module", "empty_gif"),
    (
        "ngx_http_fastcgi_module",
        "fastcgi_allow_upstream fastcgi_bind fastcgi_buffer_size fastcgi_buffering fastcgi_buffers \
         fastcgi_busy_buffers_size fastcgi_cache fastcgi_cache_background_update fastcgi_cache_bypass \
         fastcgi_cache_key fastcgi_cache_lock fastcgi_cache_lock_age fastcgi_cache_lock_timeout \
         fastcgi_cache_max_range_offset fastcgi_cache_methods fastcgi_cache_min_uses fastcgi_cache_path \
         fastcgi_cache_revalidate fastcgi_cache_use_stale fastcgi_cache_valid fastcgi_catch_stderr \
         fastcgi_connect_timeout fastcgi_force_ranges fastcgi_hide_header fastcgi_ignore_client_abort \
         fastcgi_ignore_headers fastcgi_index fastcgi_intercept_errors fastcgi_keep_conn fastcgi_limit_rate \
         fastcgi_max_temp_file_size fastcgi_next_upstream fastcgi_next_upstream_timeout \
         fastcgi_next_upstream_tries fastcgi_no_cache fastcgi_param fastcgi_pass fastcgi_pass_header \
         fastcgi_pass_request_body fastcgi_pass_request_headers fastcgi_read_timeout fastcgi_request_buffering \
         fastcgi_send_lowat fastcgi_send_timeout fastcgi_socket_keepalive fastcgi_split_path_info fastcgi_store \
         fastcgi_store_access fastcgi_temp_file_write_size fastcgi_temp_path",
    ),
    ("ngx_http_flv_module", "flv"),
    ("ngx_http_geo_module", "geo"),
    ("ngx_http_geoip_module", "geoip_city geoip_country geoip_org geoip_proxy geoip_proxy_recursive"),
    (
        "ngx_http_grpc_module",
        "grpc_allow_upstream grpc_bind grpc_buffer_size grpc_connect_timeout grpc_hide_header grpc_ignore_headers \
         grpc_intercept_errors grpc_next_upstream grpc_next_upstream_timeout grpc_next_upstream_tries grpc_pass \
         grpc_pass_header grpc_read_timeout grpc_send_timeout grpc_set_header grpc_socket_keepalive \
         grpc_ssl_certificate grpc_ssl_certificate_cache grpc_ssl_certificate_key grpc_ssl_ciphers \
         grpc_ssl_conf_command grpc_ssl_crl grpc_ssl_key_log grpc_ssl_name grpc_ssl_password_file \
         grpc_ssl_protocols grpc_ssl_server_name grpc_ssl_session_reuse grpc_ssl_trusted_certificate \
         grpc_ssl_verify grpc_ssl_verify_depth",
    ),
    ("ngx_http_gunzip_module", "gunzip gunzip_buffers"),
    (
        "ngx_http_gzip_module",
        "gzip gzip_buffers gzip_comp_level gzip_disable gzip_hash gzip_http_version gzip_min_length gzip_no_buffer \
         gzip_proxied gzip_types gzip_vary gzip_window postpone_gzipping",
    ),
    ("ngx_http_gzip_static_module", "gzip_static"),
    ("ngx_http_headers_module", "add_header_inherit add_trailer add_trailer_inherit"),
    (
        "ngx_http_image_filter_module",
        "image_filter image_filter_buffer image_filter_interlace image_filter_jpeg_quality image_filter_sharpen \
         image_filter_transparency image_filter_webp_quality",
    ),
    (
        "ngx_http_limit_conn_module",
        "limit_conn limit_conn_dry_run limit_conn_log_level limit_conn_status limit_conn_zone",
    ),
    (
        "ngx_http_limit_req_module",
        "limit_req limit_req_dry_run limit_req_log_level limit_req_status limit_req_zone",
    ),
    ("ngx_http_log_module", "open_log_file_cache"),
    ("ngx_http_map_module", "map map_hash_bucket_size map_hash_max_size"),
    (
        "ngx_http_memcached_module",
        "memcached_allow_upstream memcached_bind memcached_buffer_size memcached_connect_timeout memcached_gzip_flag \
         memcached_next_upstream memcached_next_upstream_timeout memcached_next_upstream_tries memcached_pass \
         memcached_read_timeout memcached_send_timeout memcached_socket_keepalive",
    ),
    ("ngx_http_mirror_module", "mirror mirror_request_body"),
    ("ngx_http_mp4_module", "mp4 mp4_buffer_size mp4_max_buffer_size mp4_start_key_frame"),
    ("ngx_http_perl_module", "perl perl_modules perl_require perl_set"),
    (
        "ngx_http_proxy_module",
        "proxy_allow_upstream proxy_bind proxy_cache proxy_cache_background_update proxy_cache_bypass \
         proxy_cache_convert_head proxy_cache_key proxy_cache_lock proxy_cache_lock_age proxy_cache_lock_timeout \
         proxy_cache_max_range_offset proxy_cache_methods proxy_cache_min_uses proxy_cache_path \
         proxy_cache_revalidate proxy_cache_use_stale proxy_cache_valid proxy_cookie_domain proxy_cookie_flags \
         proxy_cookie_path proxy_force_ranges proxy_ignore_headers proxy_limit_rate proxy_no_cache \
         proxy_pass_trailers proxy_send_lowat proxy_ssl_certificate proxy_ssl_certificate_cache \
         proxy_ssl_certificate_key proxy_ssl_ciphers proxy_ssl_conf_command proxy_ssl_crl proxy_ssl_key_log \
         proxy_ssl_name proxy_ssl_password_file proxy_ssl_protocols proxy_ssl_server_name proxy_ssl_session_reuse \
         proxy_ssl_trusted_certificate proxy_ssl_verify proxy_ssl_verify_depth proxy_store proxy_store_access",
    ),
    ("ngx_http_random_index_module", "random_index"),
    ("ngx_http_realip_module", "real_ip_header real_ip_recursive set_real_ip_from"),
    ("ngx_http_referer_module", "referer_hash_bucket_size referer_hash_max_size valid_referers"),
    ("ngx_http_rewrite_module", "break if rewrite rewrite_log set uninitialized_variable_warn"),
    (
        "ngx_http_scgi_module",
        "scgi_allow_upstream scgi_bind scgi_buffer_size scgi_buffering scgi_buffers scgi_busy_buffers_size scgi_cache \
         scgi_cache_background_update scgi_cache_bypass scgi_cache_key scgi_cache_lock scgi_cache_lock_age \
         scgi_cache_lock_timeout scgi_cache_max_range_offset scgi_cache_methods scgi_cache_min_uses \
         scgi_cache_path scgi_cache_revalidate scgi_cache_use_stale scgi_cache_valid scgi_connect_timeout \
         scgi_force_ranges scgi_hide_header scgi_ignore_client_abort scgi_ignore_headers scgi_intercept_errors \
         scgi_limit_rate scgi_max_temp_file_size scgi_next_upstream scgi_next_upstream_timeout \
         scgi_next_upstream_tries scgi_no_cache scgi_param scgi_pass scgi_pass_header scgi_pass_request_body \
         scgi_pass_request_headers scgi_read_timeout scgi_request_buffering scgi_send_timeout \
         scgi_socket_keepalive scgi_store scgi_store_access scgi_temp_file_write_size scgi_temp_path",
    ),
    ("ngx_http_secure_link_module", "secure_link secure_link_md5 secure_link_secret"),
    ("ngx_http_slice_module", "slice"),
    ("ngx_http_split_clients_module", "split_clients"),
    (
        "ngx_http_ssi_module",
        "ssi ssi_last_modified ssi_min_file_chunk ssi_silent_errors ssi_types ssi_value_length",
    ),
    (
        "ngx_http_ssl_module",
        "ssl ssl_buffer_size ssl_certificate ssl_certificate_cache ssl_certificate_compression ssl_certificate_key \
         ssl_ciphers ssl_client_certificate ssl_conf_command ssl_crl ssl_dhparam ssl_early_data ssl_ecdh_curve \
         ssl_ech_file ssl_key_log ssl_ocsp ssl_ocsp_cache ssl_ocsp_responder ssl_password_file \
         ssl_prefer_server_ciphers ssl_protocols ssl_reject_handshake ssl_session_cache ssl_session_ticket_key \
         ssl_session_tickets ssl_session_timeout ssl_stapling ssl_stapling_file ssl_stapling_responder \
         ssl_stapling_verify ssl_trusted_certificate ssl_verify_client ssl_verify_depth",
    ),
    ("ngx_http_sub_module", "sub_filter sub_filter_last_modified sub_filter_once sub_filter_types"),
    ("ngx_http_upstream_module", "hash ip_hash least_conn random resolver resolver_timeout state sticky"),
    (
        "ngx_http_userid_module",
        "userid userid_domain userid_expires userid_flags userid_mark userid_name userid_p3p userid_path \
         userid_service",
    ),
    (
        "ngx_http_uwsgi_module",
        "uwsgi_allow_upstream uwsgi_bind uwsgi_buffer_size uwsgi_buffering uwsgi_buffers uwsgi_busy_buffers_size \
         uwsgi_cache uwsgi_cache_background_update uwsgi_cache_bypass uwsgi_cache_key uwsgi_cache_lock \
         uwsgi_cache_lock_age uwsgi_cache_lock_timeout uwsgi_cache_max_range_offset uwsgi_cache_methods \
         uwsgi_cache_min_uses uwsgi_cache_path uwsgi_cache_revalidate uwsgi_cache_use_stale uwsgi_cache_valid \
         uwsgi_connect_timeout uwsgi_force_ranges uwsgi_hide_header uwsgi_ignore_client_abort \
         uwsgi_ignore_headers uwsgi_intercept_errors uwsgi_limit_rate uwsgi_max_temp_file_size uwsgi_modifier1 \
         uwsgi_modifier2 uwsgi_next_upstream uwsgi_next_upstream_timeout uwsgi_next_upstream_tries uwsgi_no_cache \
         uwsgi_param uwsgi_pass uwsgi_pass_header uwsgi_pass_request_body uwsgi_pass_request_headers \
         uwsgi_read_timeout uwsgi_request_buffering uwsgi_send_timeout uwsgi_socket_keepalive \
         uwsgi_ssl_certificate uwsgi_ssl_certificate_cache uwsgi_ssl_certificate_key uwsgi_ssl_ciphers \
         uwsgi_ssl_conf_command uwsgi_ssl_crl uwsgi_ssl_key_log uwsgi_ssl_name uwsgi_ssl_password_file \
         uwsgi_ssl_protocols uwsgi_ssl_server_name uwsgi_ssl_session_reuse uwsgi_ssl_trusted_certificate \
         uwsgi_ssl_verify uwsgi_ssl_verify_depth uwsgi_store uwsgi_store_access uwsgi_temp_file_write_size \
         uwsgi_temp_path",
    ),
    (
        "ngx_http_v2_module",
        "http2 http2_body_preread_size http2_chunk_size http2_idle_timeout http2_max_concurrent_pushes \
         http2_max_concurrent_streams http2_max_field_size http2_max_header_size http2_max_requests http2_push \
         http2_push_preload http2_recv_buffer_size http2_recv_timeout",
    ),
    (
        "ngx_http_v3_module",
        "http3 http3_hq http3_max_concurrent_streams http3_stream_buffer_size quic_active_connection_id_limit quic_gso \
         quic_host_key quic_retry",
    ),
    (
        "ngx_http_xslt_module",
        "xml_entities xslt_last_modified xslt_param xslt_string_param xslt_stylesheet xslt_types",
    ),
    (
        "ngx_mail_core_module",
        "mail auth_http auth_http_header auth_http_pass_client_cert auth_http_timeout imap_auth imap_capabilities \
         imap_client_buffer max_errors pop3_auth pop3_capabilities protocol proxy_buffer proxy_pass_error_message \
         proxy_smtp_auth smtp_auth smtp_capabilities smtp_client_buffer smtp_greeting_delay starttls timeout xclient",
    ),
    (
        "ngx_stream_core_module",
        "resolver resolver_timeout server_name server_names_hash_bucket_size server_names_hash_max_size",
    ),
    ("ngx_stream_access_module", "allow deny"),
    ("ngx_stream_geo_module", "geo"),
    ("ngx_stream_geoip_module", "geoip_city geoip_country geoip_org"),
    ("ngx_stream_limit_conn_module", "limit_conn limit_conn_dry_run limit_conn_log_level limit_conn_zone"),
    ("ngx_stream_log_module", "open_log_file_cache"),
    ("ngx_stream_map_module", "map map_hash_bucket_size map_hash_max_size"),
    ("ngx_stream_pass_module", "pass"),
    (
        "ngx_stream_proxy_module",
        "proxy_bind proxy_download_rate proxy_requests proxy_responses proxy_ssl proxy_ssl_certificate \
         proxy_ssl_certificate_cache proxy_ssl_certificate_key proxy_ssl_ciphers proxy_ssl_conf_command \
         proxy_ssl_crl proxy_ssl_key_log proxy_ssl_name proxy_ssl_password_file proxy_ssl_protocols \
         proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_trusted_certificate proxy_ssl_verify \
         proxy_ssl_verify_depth proxy_upload_rate",
    ),
    ("ngx_stream_realip_module", "set_real_ip_from"),
    ("ngx_stream_set_module", "set"),
    ("ngx_stream_split_clients_module", "split_clients"),
    (
        "ngx_stream_ssl_module",
        "ssl_alpn ssl_certificate ssl_certificate_cache ssl_certificate_compression ssl_certificate_key ssl_ciphers \
         ssl_client_certificate ssl_conf_command ssl_crl ssl_dhparam ssl_ecdh_curve ssl_ech_file \
         ssl_handshake_timeout ssl_key_log ssl_ocsp ssl_ocsp_cache ssl_ocsp_responder ssl_password_file \
         ssl_prefer_server_ciphers ssl_protocols ssl_reject_handshake ssl_session_cache ssl_session_ticket_key \
         ssl_session_tickets ssl_session_timeout ssl_stapling ssl_stapling_file ssl_stapling_responder \
         ssl_stapling_verify ssl_trusted_certificate ssl_verify_client ssl_verify_depth",
    ),
    ("ngx_stream_ssl_preread_module", "ssl_preread"),
    ("ngx_stream_upstream_module", "hash least_conn random resolver resolver_timeout state"),
];

/// Directives of nginx Plus, and of modules that are often added to nginx.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "nginx Plus",
        "api auth_jwt auth_jwt_key_file auth_oidc auth_require health_check health_check_timeout js_content js_import \
         keyval keyval_zone least_time match mgmt mqtt ntlm queue session_log session_log_format status status_format \
         status_zone sticky_cookie_insert zone_sync",
    ),
    (
        "a module of its own",
        "brotli brotli_comp_level brotli_static brotli_types check check_http_expect_alive check_http_send fair js_include lua_package_path more_clear_headers more_set_headers nchan_publisher vhost_traffic_status_display vhost_traffic_status_zone zstd",
    ),
];

/// Variables of nginx that are not built yet; those that end in `_` are families.
const VARIABLES: &str = "ancient_browser connections_active connections_reading connections_waiting connections_writing \
     date_gmt date_local fastcgi_path_info fastcgi_script_name geoip_area_code geoip_city \
     geoip_city_continent_code geoip_city_country_code geoip_city_country_code3 geoip_city_country_name \
     geoip_country_code geoip_country_code3 geoip_country_name geoip_dma_code geoip_latitude geoip_longitude \
     geoip_org geoip_postal_code geoip_region geoip_region_name gzip_ratio http2 http3 invalid_referer is_request_port \
     limit_conn_status limit_req_status memcached_key modern_browser msie proxy_protocol_tlv_ quic_connection \
     realip_remote_addr realip_remote_port request_port secure_link secure_link_expires slice_range ssl_ \
     ssl_preread_ uid_got uid_reset uid_set upstream_cache_age upstream_cache_key upstream_cache_last_modified \
     upstream_cache_status upstream_last_addr upstream_last_server_name upstream_queue_time";

/// Whether nginx has a variable of that name, which is in lower case.
pub(super) fn is_variable(name: &str) -> bool {
    VARIABLES.split_whitespace().any(|known| {
        known == name || (known.ends_with('_') && name.starts_with(known) && name.len() > known.len())
    })
}

/// The modules that have a directive of that name, which no table here has.
fn modules_of(name: &str) -> &'static [&'static str] {
    static INDEX: OnceLock<BTreeMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (module, names) in MODULES {
            for name in names.split_whitespace() {
                index.entry(name).or_default().push(*module);
            }
        }
        index
    });
    index.get(name).map_or(&[], Vec::as_slice)
}

/// A parameter that nginx knows, and this does not yet.
pub(super) fn refused_parameter(word: &str, directive: &str) -> Box<Fault> {
    let message = format!(
        "parameter \"{word}\" of the \"{directive}\" directive is known to nginx but not supported yet"
    );
    Fault::new("nginx::unsupported", message)
}

/// The refusal of a directive that nginx knows, and this does not yet.
pub(super) fn refused(name: &str, context: Context) -> Option<Box<Fault>> {
    let modules = modules_of(name);
    let side = match context {
        Context::Stream | Context::StreamServer | Context::StreamUpstream => "ngx_stream",
        Context::Main | Context::Events => "ngx_",
        _ => "ngx_http",
    };
    let module = modules.iter().find(|module| module.starts_with(side)).or(modules.first())?;
    let message = format!("\"{name}\" directive is known to nginx but not supported yet");
    Some(
        Fault::new("nginx::unsupported", message)
            .help(format!("it belongs to {module}; take the line out, or keep nginx for this configuration")),
    )
}

/// The fault for a name that nginx does not know either.
pub(super) fn unknown(name: &str, context: Context, suggest: bool) -> Box<Fault> {
    let fault = Fault::new("nginx::unknown_directive", format!("unknown directive \"{name}\""));
    let elsewhere = ELSEWHERE.iter().find(|(_, names)| names.split_whitespace().any(|other| other == name));
    if let Some((place, _)) = elsewhere {
        return fault.help(format!("it belongs to {place}, and stock nginx does not know it either"));
    }
    if !suggest {
        return fault;
    }
    let here = super::modules::MODULES
        .iter()
        .flat_map(|module| module.directives)
        .filter(|directive| directive.contexts.contains(&context))
        .map(|directive| directive.name);
    let others =
        super::modules::MODULES.iter().flat_map(|module| module.directives).map(|directive| directive.name);
    let unbuilt = MODULES.iter().flat_map(|(_, names)| names.split_whitespace());
    match closest(name, here).or_else(|| closest(name, others.chain(unbuilt))) {
        Some(close) => fault.help(format!("did you mean \"{close}\"?")),
        None if !name.is_ascii() || name.contains(char::is_control) => {
            fault.help("a comment starts with \"#\"; a byte order mark or full-width character is no space")
        }
        None => fault,
    }
}

/// The name most like `name`, if one is near enough to be meant.
pub(super) fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    names
        .filter(|other| name.len() <= LONGEST && other.len().abs_diff(name.len()) <= LONGEST / 5)
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= name.len().max(other.len()).div_ceil(5))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::{Context, MODULES, refused, unknown};

    #[test]
    fn no_name_is_both_built_and_refused() {
        for (module, names) in MODULES {
            for name in names.split_whitespace() {
                let built = super::super::modules::MODULES
                    .iter()
                    .filter(|other| other.name == *module)
                    .any(|other| other.directives.iter().any(|directive| directive.name == name));
                assert!(!built, "{name} of {module}");
            }
        }
    }

    #[test]
    fn remedies() {
        let help = |name: &str| unknown(name, Context::Http, true).help.unwrap_or_default();
        assert_eq!(help("gzip_com_level"), "did you mean \"gzip_comp_level\"?");
        assert_eq!(help("sendfle"), "did you mean \"sendfile\"?");
        assert_eq!(help("completely_different"), "");
        let fault = refused("ssl_certificate", Context::StreamServer).expect("known");
        assert!(fault.help.unwrap_or_default().contains("ngx_stream_ssl_module"));
        assert!(refused("sendfile", Context::Http).is_none());
    }
}
