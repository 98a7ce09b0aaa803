import PluginKit

/// Every control; titles and criteria are in our own words. An id never changes and is never given to another control.
enum Controls {
    private static let day: Int64 = 86_400

    private static func judged(_ id: String, _ title: String, _ criterion: String, _ kind: EvidenceKind) -> ControlDescription {
        ControlDescription(id: id, title: title, criterion: criterion, reads: [EvidenceNeed(kind, maxAgeSeconds: 2 * day)])
    }
    private static func shown(_ id: String, _ title: String, _ criterion: String, _ missing: String...) -> ControlDescription {
        ControlDescription(id: id, title: title, criterion: criterion, missing: missing)
    }

    static let all = environment + information + risks + access + operations + changes

    private static let environment = [
        shown(
            "CC1.1", "Integrity and ethics", "The organisation shows that it holds to integrity and ethical values.",
            "a code of conduct, and who has accepted it"),
        shown(
            "CC1.2", "Independent oversight", "The board is independent of management and oversees internal control.",
            "the board's charter and minutes"),
        shown(
            "CC1.3", "Structure and authority", "Reporting lines, authorities and responsibilities are set.",
            "an organisation chart and job descriptions"),
        shown(
            "CC1.4", "Competent people", "The organisation attracts, develops and keeps competent people.",
            "hiring checks and training records"),
        shown(
            "CC1.5", "Accountability", "People are held to account for their part of internal control.",
            "performance reviews and how breaches were answered"),
    ]
    private static let information = [
        judged(
            "CC2.1", "Information that can be relied on",
            "The journal from which controls are judged is complete, unaltered and sealed by signed checkpoints.", .auditChain),
        shown(
            "CC2.2", "Communication inside", "Objectives and responsibilities of internal control are told to those who need them.",
            "policies and how they reach people"),
        shown(
            "CC2.3", "Communication outside", "Commitments and matters of control are told to customers and others.",
            "contracts, the status page and the security contact"),
    ]
    private static let risks = [
        shown("CC3.1", "Objectives", "Objectives are clear enough for their risks to be found.", "written objectives"),
        shown(
            "CC3.2", "Risks found and analysed", "Risks to the objectives are found, analysed and managed.",
            "a register of risks with owners and dates"),
        shown("CC3.3", "Fraud", "The possibility of fraud is weighed.", "an assessment of fraud"),
        shown(
            "CC3.4", "Change", "Changes that could weaken internal control are found and weighed.",
            "assessments of changes in business, people and technology"),
        shown(
            "CC4.1", "Controls are evaluated", "Internal control is evaluated, continuously and now and then.",
            "internal audits, penetration tests and their dates"),
        shown(
            "CC4.2", "Deficiencies are told", "Deficiencies are told in time to those who mend them.",
            "findings, their owners and when they were mended"),
        shown(
            "CC5.1", "Controls that answer risks", "Control activities are chosen that bring risks to an acceptable level.",
            "which control answers which risk"),
        shown(
            "CC5.2", "Controls over technology", "General controls over technology are chosen and built.",
            "a description of the general controls"),
        shown(
            "CC5.3", "Policies and procedures", "Controls are put to work by policies and procedures.",
            "policies with owners and dates of review"),
    ]
    private static let access = [
        judged(
            "CC6.1", "Elevated access needs a second factor", "Everybody with an elevated role proves a second factor at sign-in.",
            .secondFactor),
        judged("CC6.1-K", "Keys are rotated", "No key signs for longer than the organisation allows.", .keyAges),
        judged("CC6.2", "Access ends with the membership", "Sessions, leases and API keys of people who left are gone in time.", .leavers),
        judged(
            "CC6.3", "Access is reviewed",
            "Who has what role is reviewed and signed off regularly, and everybody who was there was confirmed or removed.", .accessReview),
        shown(
            "CC6.4", "Physical access", "Only those who need it get at buildings and machines.",
            "records of physical access, or the data centre's report"),
        shown("CC6.5", "Disposal", "Media are protected until their data cannot be read any more.", "records of disposal"),
        shown(
            "CC6.6", "Boundaries", "Access from outside the boundaries is guarded against.", "configuration of firewalls and of the network"
        ),
        shown(
            "CC6.7", "Data on the move", "Moving and removing data is restricted and protected.",
            "where TLS ends, and rules for removable media"),
        shown(
            "CC6.8", "Unwanted software", "Unauthorised or malicious software is prevented or found.",
            "reports of scanners and of protected endpoints"),
    ]
    private static let operations = [
        shown(
            "CC7.1", "Vulnerabilities are found", "Changes of configuration and new vulnerabilities are detected.",
            "scans of configuration and of dependencies"),
        shown(
            "CC7.2", "Anomalies are watched for", "Components are watched for what points to attacks, failures and errors.",
            "alert rules, alerts and who looked at them"),
        shown(
            "CC7.3", "Events are judged", "Security events are judged as to whether they are incidents.",
            "a register of events with the judgement of each"),
        shown(
            "CC7.4", "Incidents are answered", "Incidents are contained, mended and told by a known procedure.",
            "a plan and records of incidents"),
        shown("CC7.5", "Recovery", "The organisation recovers from incidents and learns.", "records of restores, drills and lessons"),
    ]
    private static let changes = [
        judged(
            "CC8.1", "Changes are controlled",
            "Every change of policies in force names who made it and what it is, and had passed tests before.", .policyChanges),
        shown("CC9.1", "Disruption", "Risks of disrupted business are mitigated.", "a plan for continuity, insurance and drills"),
        shown(
            "CC9.2", "Vendors", "Risks of vendors and partners are assessed and managed.", "a register of vendors with their assessments"),
    ]
}
