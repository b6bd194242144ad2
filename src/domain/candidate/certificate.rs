//! Until when a client certificate is valid: the first one of a PEM text.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The end of its validity; none when it cannot be read, which is for the server to judge.
pub(super) fn expires(pem: &str) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    let since_1970 = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Timestamp::from_second(i64::try_from(since_1970.as_secs()).ok()?).ok()
}

/// The same of a `client.conf` as hops have it, by its block `<cert>`.
#[must_use]
pub fn client_certificate_expires(config: &str) -> Option<Timestamp> {
    let (_, block) = config.split_once("\n<cert>\n")?;
    expires(block.split_once("</cert>")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_whatever_stands_around_it() {
        let pem = include_str!("testdata/client.crt");
        let read = |text: &str| expires(text).map(|at| at.to_string());
        for text in [pem.to_owned(), format!("Certificate:\n    Data:\n{pem}{pem}"), pem.replace('\n', "\r\n")] {
            assert_eq!(read(&text).as_deref(), Some("2059-10-07T21:20:50Z"));
        }
        for text in [
            "",
            "no certificate",
            &pem.replace("MIIB", "AAAA"),
            "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(read(text), None);
        }
    }
}
