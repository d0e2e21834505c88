//! The form of a device's certificate. Everything that ours never hold is refused, whatever a library thinks of it.

use sekisho_core::ids::DeviceId;
use sekisho_core::limits;
use sekisho_core::porter::{CertificateFault, DEVICE_URN};
use sekisho_core::time::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

/// What a certificate of the right form says. Whether our authority signed it is not known by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Serial number, small hexadecimal letters.
    pub serial: String,
    /// The device that it names.
    pub device: DeviceId,
    /// Its first moment.
    pub from: Timestamp,
    /// Its last.
    pub until: Timestamp,
}

/// Bit of the key usage `digitalSignature`, as the library counts them.
const SIGN: u16 = 1;
/// Octets of a serial number at most (RFC 5280 section 4.1.2.2).
const SERIAL_BYTES: usize = 20;

/// The serial number alone, for the log, of what may not be of the right form.
pub fn serial_of(der: &[u8]) -> String {
    let read = || {
        let der = der.get(..der.len().min(limits::CERTIFICATE_BYTES))?;
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        certificate.tbs_certificate.raw_serial().get(..SERIAL_BYTES.min(certificate.tbs_certificate.raw_serial().len())).map(hex::encode)
    };
    read().unwrap_or_default()
}

/// Reads a certificate.
///
/// # Errors
/// The first rule of the form that it breaks.
pub fn read(der: &[u8]) -> Result<Shown, CertificateFault> {
    use CertificateFault as F;
    if der.len() > limits::CERTIFICATE_BYTES {
        return Err(F::TooLong);
    }
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| F::Malformed)?;
    let body = &certificate.tbs_certificate;
    if !rest.is_empty() || body.version() != X509Version::V3 {
        return Err(F::Malformed);
    }
    let serial = body.raw_serial();
    if serial.is_empty() || serial.len() > SERIAL_BYTES || serial.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(F::Malformed);
    }
    if body.issuer_uid.is_some() || body.subject_uid.is_some() {
        return Err(F::Extras);
    }
    let Uses { ends, signs, client, device } = uses(&certificate)?;
    if !ends {
        return Err(F::Authority);
    }
    if !signs {
        return Err(F::KeyUsage);
    }
    if !client {
        return Err(F::ExtendedUse);
    }
    let device = device.ok_or(F::Names)?;
    // The subject says the same once more, and nothing else; it counts for nothing.
    let mut subject = body.subject().iter_attributes();
    let named = |attribute: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        attribute.is_some_and(|attribute| *attribute.attr_type() == oid::OID_X509_COMMON_NAME && attribute.as_str().is_ok_and(|text| text == device.as_str()))
    };
    if !named(subject.next()) || subject.next().is_some() {
        return Err(F::Names);
    }
    let moment = |seconds: i64| seconds.checked_mul(1000).map(Timestamp).ok_or(F::Malformed);
    let from = moment(body.validity().not_before.timestamp())?;
    let until = moment(body.validity().not_after.timestamp())?;
    Ok(Shown { serial: hex::encode(serial), device, from, until })
}

#[derive(Default)]
struct Uses {
    /// It says that it is no authority.
    ends: bool,
    /// Its key signs and does nothing else.
    signs: bool,
    /// Its extended use is client authentication alone.
    client: bool,
    device: Option<DeviceId>,
}

fn uses(certificate: &X509Certificate<'_>) -> Result<Uses, CertificateFault> {
    use CertificateFault as F;
    // Two of one kind are one too many: two readers would take different ones.
    certificate.tbs_certificate.extensions_map().map_err(|_| F::Extras)?;
    let mut uses = Uses::default();
    for extension in certificate.tbs_certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                if constraints.ca || constraints.path_len_constraint.is_some() {
                    return Err(F::Authority);
                }
                uses.ends = true;
            }
            ParsedExtension::KeyUsage(usage) => uses.signs = usage.flags == SIGN,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let others = usage.any || usage.server_auth || usage.code_signing || usage.email_protection || usage.time_stamping || usage.ocsp_signing;
                uses.client = usage.client_auth && !others && usage.other.is_empty();
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                let [GeneralName::URI(uri)] = names.general_names.as_slice() else { return Err(F::Names) };
                uses.device = Some(uri.strip_prefix(DEVICE_URN).and_then(DeviceId::parse).ok_or(F::Names)?);
            }
            ParsedExtension::AuthorityKeyIdentifier(_) | ParsedExtension::SubjectKeyIdentifier(_) => {}
            _ => return Err(F::Extras),
        }
    }
    Ok(uses)
}
