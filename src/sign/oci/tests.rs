//! Oracle's own examples, every form of a key, and what no caller can leave on a request.

use std::time::Duration;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use http::Request;
use pkcs8::{PrivateKeyInfo, pkcs5::pbes2::Parameters};

use super::*;
use crate::Secret;

/// The published half of the key that Oracle's documentation signs its examples with (draft-cavage, appendix C).
const PUBLIC: &str = "MIGJAoGBAMIUQ0bDffIaKHL3akONlCGXQLfqs8mP4K99ILz6rbyHEDXrVAU1R3XfC4JNRyrRB3aqwF7/aEXJzYMIkmDSHUvv\
                      z7pnhQxHsQ5yl91QT0d/eb+Gz4VRHjm4El4MrUdIUcPxscoPqS/wU8Z8lOi1z7bGMnChiL7WGqnV8h6RrGzJAgMBAAE=";
const GET: &str = "/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=ocid1.compartment.oc1..aaaaaa\
                   aam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa&displayName=TeamXInstances&volumeId=ocid1.volu\
                   me.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q";
const GET_SIGNATURE: &str = "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9\
                             r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=";
const POST: &str = "/20160918/volumeAttachments";
const POST_SIGNATURE: &str = "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocM\
                              woSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=";
const POST_BODY: &str = r#"{
    "compartmentId": "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
}"#;

const FINGERPRINT: &str = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";

/// Sunday, 5 January 2014, 21:31:40; the examples say Thursday, and nobody checks.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_388_957_500)
}

fn generated() -> Vec<u8> {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS#8").as_ref().to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn key(pem: &str, passphrase: Option<&str>) -> OciKey {
    let (tenancy, user) = ("ocid1.tenancy.oc1..a", "ocid1.user.oc1..b");
    OciKey::new(tenancy, user, FINGERPRINT, Secret::from(pem), passphrase.map(Secret::from)).expect("a key")
}

fn head(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
    let url = format!("https://iaas.us-phoenix-1.oraclecloud.com{target}");
    let request = Request::builder().method(method).uri(url);
    let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0
}

fn signature(head: &Parts) -> Vec<u8> {
    let line = head.headers[AUTHORIZATION].to_str().expect("ASCII");
    let text = line.split("signature=\"").nth(1).expect(line).trim_end_matches('"');
    STANDARD.decode(text).expect("base64")
}

#[test]
fn what_is_signed_is_what_oracles_examples_sign() {
    let pair = key(&pem("PRIVATE KEY", &generated()), None);
    let kept = OciKeys::new();
    let public = kept.pair(&pair).expect("a pair").public_key();
    let example = STANDARD.decode(PUBLIC).expect("base64");
    for (method, target, body, expected, headers) in
        [("GET", GET, "", GET_SIGNATURE, HEADERS), ("POST", POST, POST_BODY, POST_SIGNATURE, WITH_BODY)]
    {
        let mut head = head(method, target, &[("content-type", "application/json")]);
        let sent = sign(&mut head, body.as_bytes(), &pair, then(), &kept).expect("signed");
        let date = head.headers[DATE].to_str().expect("ASCII");
        assert_eq!(date, "Sun, 05 Jan 2014 21:31:40 GMT");
        let mut text = format!(
            "date: {date}\n(request-target): {} {target}\nhost: iaas.us-phoenix-1.oraclecloud.com",
            method.to_ascii_lowercase()
        );
        if method == "POST" {
            text += "\ncontent-length: 316\ncontent-type: application/json\nx-content-sha256: \
                     V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=";
            assert_eq!(head.headers["content-length"], "316");
            assert_eq!(head.headers["x-content-sha256"], "V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=");
        }
        let own = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        own.verify(text.as_bytes(), &signature(&head)).expect(method);
        // The same text with the day of the example is what Oracle's own signature is over.
        let text = text.replace("Sun", "Thu");
        let oracles = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &example);
        oracles.verify(text.as_bytes(), &STANDARD.decode(expected).expect("base64")).expect(method);

        let line = head.headers[AUTHORIZATION].to_str().expect("ASCII");
        let id = format!("ocid1.tenancy.oc1..a/ocid1.user.oc1..b/{FINGERPRINT}");
        let front = format!(
            "Signature version=\"1\",keyId=\"{id}\",algorithm=\"rsa-sha256\",headers=\"{headers}\",signature=\""
        );
        assert!(line.starts_with(&front), "{line}");
        assert!(head.headers[AUTHORIZATION].is_sensitive());
        assert_eq!(sent.len(), 1);
    }
}

#[test]
fn keys_are_read_in_every_form_that_oracle_hands_out() {
    let der = generated();
    let info = PrivateKeyInfo::try_from(&der[..]).expect("PKCS#8");
    let sealed = |rounds| {
        let parameters =
            Parameters::pbkdf2_sha256_aes256cbc(rounds, b"saltsalt", b"0123456789abcdef").expect("parameters");
        let sealed = info.clone().encrypt_with_params(parameters, "open sesame").expect("sealed");
        pem("ENCRYPTED PRIVATE KEY", sealed.as_bytes())
    };
    let plain = pem("PRIVATE KEY", &der);
    let first = OciKeys::new().pair(&key(&plain, None)).expect("a pair").public_key();
    for (text, passphrase) in [
        (pem("RSA PRIVATE KEY", info.private_key), None),
        (plain.replace('\n', "\\n"), None),
        (plain.replace('\n', "\r\n"), Some("not needed")),
        (plain.replace('\n', " "), None),
        (format!("{plain}OCI_API_KEY"), None),
        (sealed(2048), Some("open sesame")),
    ] {
        let found = OciKeys::new().pair(&key(&text, passphrase)).expect("a pair");
        assert_eq!(found.public_key(), first);
        assert!(check_oci_key(&key(&text, passphrase)).is_ok());
    }
    let small = pem("PRIVATE KEY", b"canary");
    let ancient = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\ncanary\n-----END RSA PRIVATE KEY-----";
    for (text, passphrase, why) in [
        (sealed(2048), None, "is encrypted: oracle_key_passphrase is required"),
        (sealed(2048), Some("canary"), "can't be decrypted by its passphrase"),
        (sealed(10_001), Some("open sesame"), "is encrypted in a way that is not read"),
        (small, None, "is no RSA key of 2048 to 8192 bits"),
        (plain.replace("-----END PRIVATE", "-----END PUBLIC"), None, "is no PEM"),
        (plain.replace('M', "*"), None, "is no PEM"),
        (ancient.to_owned(), Some("x"), "is no PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned(), None, "is no PEM"),
        ("-----BEGIN ".to_owned(), None, "is no PEM"),
    ] {
        let refused = OciKeys::new().pair(&key(&text, passphrase)).err().expect("no key");
        assert_eq!(refused.kind(), Kind::InvalidRequest);
        assert!(refused.message().starts_with(&format!("oracle_private_key {why}")), "{}", refused.message());
        assert!(!refused.message().contains("canary"));
    }
}

#[test]
fn a_pair_is_read_once_and_belongs_to_its_text() {
    let kept = OciKeys::new();
    let (one, other) = (key(&pem("PRIVATE KEY", &generated()), None), key(&pem("PRIVATE KEY", &generated()), None));
    let first = kept.pair(&one).expect("a pair");
    assert!(std::sync::Arc::ptr_eq(&first, &kept.pair(&one).expect("a pair")));
    assert_ne!(first.public_key(), kept.pair(&other).expect("a pair").public_key());
    assert!(!format!("{kept:?}").contains("BEGIN"));
}

#[test]
fn nothing_of_the_callers_stays_that_could_be_another_signature() {
    let pair = key(&pem("PRIVATE KEY", &generated()), None);
    let lines = [
        ("authorization", "Bearer caller"),
        ("date", "caller"),
        ("x-date", "caller"),
        ("host", "caller"),
        ("x-content-sha256", "caller"),
        ("content-length", "7"),
        ("signature", "caller"),
        ("connection", "x-kept"),
        ("x-kept", "caller"),
        ("x-more", "stays"),
    ];
    let mut head = head("DELETE", "/a", &lines);
    sign(&mut head, b"", &pair, then(), &OciKeys::new()).expect("signed");
    assert!(head.headers.values().all(|value| value != "caller" && value != "Bearer caller"), "{:?}", head.headers);
    assert_eq!(head.headers["x-more"], "stays");
    assert!(!head.headers.contains_key("content-length"));
}
