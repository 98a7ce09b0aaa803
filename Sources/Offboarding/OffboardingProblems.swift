import Vocabulary

package enum OffboardingProblems {
    package static let alreadyLeaving = Problem(
        "offboarding_open", status: 409, title: "This organisation is leaving already.",
        hint: "GET /api/v1/offboarding shows how far it is.")
    package static let notLeaving = Problem(
        "offboarding_none", status: 404, title: "This organisation is not leaving.", hint: "POST /api/v1/offboarding begins it.")
    package static let stateWrong = Problem(
        "offboarding_state", status: 409, title: "This cannot be done at this point of leaving.", hint: "state says how far it is.")
    package static let noOffer = Problem(
        "offboarding_no_offer", status: 409, title: "There is no offer to answer.", hint: "GET /api/v1/offboarding shows the offer, if any."
    )
    package static let notCertified = Problem(
        "offboarding_not_purged", status: 409, title: "Nothing is deleted yet.", hint: "The certificate is signed when everything is.")
    package static let linkOver = Problem(
        "offboarding_link_over", status: 404, title: "This link leads nowhere.", hint: "Follow the link of the newest mail.")
    package static let holdOver = Problem(
        "legal_hold_over", status: 409, title: "This hold was lifted already.", hint: "GET the tenant's holds to see which stand.")
    package static let exportAtWork = Problem(
        "export_at_work", status: 409, title: "An export is being made already.", hint: "GET /api/v1/exports shows how far it is.")
    package static let exportsUsedUp = Problem(
        "exports_used_up", status: 429, title: "No more exports today.", hint: "per_day says how many there are in 24 hours.")
    package static let noExport = Problem(
        "export_over", status: 404, title: "There is no export behind this link.",
        hint: "GET /api/v1/exports, or /api/v1/offboarding of an organisation that leaves, shows the link.")
    package static let exportRange = Problem(
        "export_range", status: 416, title: "The export has no such bytes.", hint: "size_bytes says how many it has.")
    package static let noKind = Problem(
        "retention_kind_unknown", status: 404, title: "There is no such kind of record.",
        hint: "GET /api/v1/retention lists the kinds of an organisation's own records.")
    package static let notByRecord = Problem(
        "retention_not_by_record", status: 409, title: "Records of this kind have no name of their own.",
        hint: "The table says how long all of them stay.")
    package static let whoseRecord = Problem(
        "retention_tenant_missing", status: 422, title: "Whose record this is has to be said.", hint: "Add tenant=… with its id.")
    package static let notLengthened = Problem(
        "retention_not_lengthened", status: 409, title: "This kind cannot be kept for longer for one organisation.",
        hint: "can_be_lengthened in the table says which can. A legal hold keeps everything.")
    package static let tooManyDuties = Problem(
        "retention_duties_used_up", status: 409, title: "This organisation has as many duties as there can be.",
        hint: "Take back one that another covers.")
    package static let retention = [noKind, notByRecord, whoseRecord, notLengthened, tooManyDuties]
    package static let all =
        [
            alreadyLeaving, notLeaving, stateWrong, noOffer, notCertified, linkOver, holdOver, exportAtWork, exportsUsedUp, noExport,
            exportRange,
        ] + retention
}
