//! STIX marking-definition ids that carry a TLP label.
//!
//! Three families are read: the TLP 1 ids of STIX 2.1 section 7.2.1, the TLP 2.0 ids of the
//! OASIS extension, and the id OpenCTI uses for AMBER+STRICT. Stored bytes never change;
//! a reader chooses which family it is served.

use super::Tlp;

/// Where a marking id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkingFamily {
    /// STIX 2.1 section 7.2.1.
    Tlp1,
    /// OASIS `tlp-2.0` extension.
    Tlp2,
    /// OpenCTI's own.
    OpenCti,
}

const KNOWN: [(&str, Tlp, MarkingFamily); 10] = [
    (
        "613f2e26-407d-48c7-9eca-b8e91df99dc9",
        Tlp::Clear,
        MarkingFamily::Tlp1,
    ),
    (
        "34098fce-860f-48ae-8e50-ebd3cc5e41da",
        Tlp::Green,
        MarkingFamily::Tlp1,
    ),
    (
        "f88d31f6-486f-44da-b317-01333bde0b82",
        Tlp::Amber,
        MarkingFamily::Tlp1,
    ),
    (
        "5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
        Tlp::Red,
        MarkingFamily::Tlp1,
    ),
    (
        "94868c89-83c2-464b-929b-a1a8aa3c8487",
        Tlp::Clear,
        MarkingFamily::Tlp2,
    ),
    (
        "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp::Green,
        MarkingFamily::Tlp2,
    ),
    (
        "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp::Amber,
        MarkingFamily::Tlp2,
    ),
    (
        "939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp::AmberStrict,
        MarkingFamily::Tlp2,
    ),
    (
        "e828b379-4e03-4974-9ac4-e53a884c97c1",
        Tlp::Red,
        MarkingFamily::Tlp2,
    ),
    (
        "826578e1-40ad-459f-bc73-ede076f81f37",
        Tlp::AmberStrict,
        MarkingFamily::OpenCti,
    ),
];

/// The TLP label behind a `marking-definition--…` id, if it is one of the known ids.
pub fn known_marking(id: &str) -> Option<(Tlp, MarkingFamily)> {
    let uuid = id.strip_prefix("marking-definition--")?;
    KNOWN
        .iter()
        .find(|(known, ..)| *known == uuid)
        .map(|(_, tlp, family)| (*tlp, *family))
}

/// The `marking-definition--…` id of a TLP label in a family; TLP 2.0 where the family has none for it.
pub fn marking_of(tlp: Tlp, family: MarkingFamily) -> String {
    let of =
        |wanted: MarkingFamily| (KNOWN.iter()).find(|(_, known, family)| *known == tlp && *family == wanted);
    let uuid = of(family)
        .or_else(|| of(MarkingFamily::Tlp2))
        .map_or("", |(uuid, ..)| *uuid);
    format!("marking-definition--{uuid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_read() {
        let id = |uuid: &str| format!("marking-definition--{uuid}");
        assert_eq!(
            known_marking(&id("613f2e26-407d-48c7-9eca-b8e91df99dc9")),
            Some((Tlp::Clear, MarkingFamily::Tlp1))
        );
        assert_eq!(
            known_marking(&id("e828b379-4e03-4974-9ac4-e53a884c97c1")),
            Some((Tlp::Red, MarkingFamily::Tlp2))
        );
        assert_eq!(
            known_marking(&id("826578e1-40ad-459f-bc73-ede076f81f37")),
            Some((Tlp::AmberStrict, MarkingFamily::OpenCti))
        );
        for (uuid, tlp, family) in KNOWN {
            assert_eq!(marking_of(tlp, family), id(uuid));
        }
        assert_eq!(
            known_marking(&marking_of(Tlp::AmberStrict, MarkingFamily::Tlp1)),
            Some((Tlp::AmberStrict, MarkingFamily::Tlp2))
        );
        assert_eq!(known_marking("marking-definition--0"), None);
        assert_eq!(known_marking("613f2e26-407d-48c7-9eca-b8e91df99dc9"), None);
    }
}
