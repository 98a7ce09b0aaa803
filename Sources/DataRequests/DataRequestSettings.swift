import Vocabulary

package enum DataRequestSettings {
    package static let dueDays = Setting(
        "data_requests.due_days", default: 30, in: 1...90,
        reason: "Within how many days a data request is answered: GDPR article 12 (3) allows one month.")
    package static let remindDays = Setting(
        "data_requests.remind_days", default: 7, in: 1...60, reason: "How many days before that staff is reminded of what is still open.")
    package static let documentDays = Setting(
        "data_requests.document_days", default: 30, in: 1...365,
        reason: "For how many days after an access or export request its document can be taken; it is made anew each time.")
    package static let all: [AnySetting] = [dueDays.erased, remindDays.erased, documentDays.erased]
}
