use super::*;

fn ends(source: &str, destination: &str) -> Option<Addresses> {
    let parse = |text: &str| text.parse().expect("an address of this test");
    Some(Addresses { source: parse(source), destination: parse(destination) })
}

fn v2(version_command: u8, family_transport: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("a short body").to_be_bytes();
    [&V2_SIGNATURE[..], &[version_command, family_transport], &len, body].concat()
}

const V4_BODY: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x11, 0x00, 0x50];

#[test]
fn headers_and_what_follows_them() {
    let tlv = [&V4_BODY[..], b"\x04\x00\x02ab"].concat();
    let v6_body = [&[0; 15][..], &[1], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[2], &[0, 9, 0, 8]].concat();
    for (header, addresses) in [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 80\r\n".to_vec(), ends("1.2.3.4:1111", "5.6.7.8:80")),
        (b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n".to_vec(), ends("[2001:db8::1]:65535", "[::1]:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ff::1 whatever\r\n".to_vec(), None),
        (v2(0x21, 0x11, &V4_BODY), ends("1.2.3.4:4369", "5.6.7.8:80")),
        (v2(0x21, 0x11, &tlv), ends("1.2.3.4:4369", "5.6.7.8:80")),
        (v2(0x21, 0x21, &v6_body), ends("[::1]:9", "[2001:db8::2]:8")),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, &V4_BODY), None),
        (v2(0x21, 0x31, &[0; 216]), None),
        (v2(0x21, 0x12, &V4_BODY), None),
    ] {
        let len_bytes = header.len();
        for cut in 0..len_bytes {
            assert_eq!(parse(&header[..cut]), Ok(Parsed::Incomplete), "{cut} bytes of {header:?}");
        }
        let with_payload = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&with_payload), Ok(Parsed::Header { addresses, len_bytes }), "{header:?}");
    }
}

#[test]
fn faults_are_named() {
    let long_line = [b"PROXY TCP6 ".as_slice(), &[b'f'; 96]].concat();
    let mut announces_too_much = v2(0x21, 0x11, b"");
    announces_too_much[14..].copy_from_slice(&4081_u16.to_be_bytes());
    for (bytes, error) in [
        (&b"GET / HTTP/1.0\r\n"[..], ParseError::NoSignature),
        (b"PROXI", ParseError::NoSignature),
        (b"\r\n\r\n\0\r\nQUIX", ParseError::NoSignature),
        (&long_line, ParseError::LineTooLong),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 80\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111\r\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 80 90\r\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 65536\r\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8  80\r\n", ParseError::BadLine),
        (b"PROXY TCP4 ::1 5.6.7.8 1111 80\r\n", ParseError::BadLine),
        (b"PROXY TCP6 1.2.3.4 ::1 1111 80\r\n", ParseError::BadLine),
        (b"PROXY SCTP 1.2.3.4 5.6.7.8 1111 80\r\n", ParseError::BadLine),
        (b"PROXY \r\n", ParseError::BadLine),
        (b"PROXY TCP4 1.2.3.4 5.6.7.\xff 1111 80\r\n", ParseError::BadLine),
        (&v2(0x11, 0x11, &V4_BODY), ParseError::UnknownVersion(1)),
        (&v2(0x21, 0x11, &V4_BODY[..11]), ParseError::TooShort(11)),
        (&v2(0x21, 0x21, &V4_BODY), ParseError::TooShort(12)),
        (&announces_too_much, ParseError::TooLong(4097)),
    ] {
        assert_eq!(parse(bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn what_is_written_can_be_read() {
    for (addresses, line) in [
        (ends("127.0.0.1:60148", "127.0.0.1:41283"), "PROXY TCP4 127.0.0.1 127.0.0.1 60148 41283\r\n"),
        (ends("[::1]:1", "[2001:db8::2]:443"), "PROXY TCP6 ::1 2001:db8::2 1 443\r\n"),
        (None, "PROXY UNKNOWN\r\n"),
    ] {
        let mut out = Vec::new();
        write_v1(addresses.as_ref(), &mut out);
        assert_eq!(str::from_utf8(&out), Ok(line));
        assert_eq!(parse(&out), Ok(Parsed::Header { addresses, len_bytes: line.len() }));
    }
    let mut out = Vec::new();
    write_v1(ends("1.2.3.4:1", "[::1]:2").as_ref(), &mut out);
    assert_eq!(out, b"PROXY UNKNOWN\r\n", "the ends of one connection are of one family");
}
