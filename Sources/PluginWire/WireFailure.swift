import Foundation
import PluginKit

/// An error on its way to the other process: the kit's own arrive as what they were, any other as its text.
package enum WireFailure: Sendable, Hashable, Codable {
    case payment(PaymentFailure)
    case refusal(String)
    case outbound(OutboundFailure)
    case space(PluginSpaceFailure)
    case notification(NotificationFailure)
    case report(MailReportRefusal)
    case identity(IdentityProviderError)
    case signature(SignatureRefusal)
    case key(KeyServiceError)
    case file(FileStoreError)
    case folder(PluginFolderFailure)
    case provisioner(ProvisionerError)
    case support(SupportDeskError)
    /// Loading went wrong: the code of the refusal and its sentence.
    case loading(code: String, reason: String)
    case cancelled
    case other(String)

    /// `PaymentProviderError`, which is not coded by itself.
    package struct PaymentFailure: Sendable, Hashable, Codable {
        enum Case: String, Codable { case forged, stale, malformed, refused, unreachable, notSupported, rateLimited }
        var what: Case
        var text: String
        var code: String?
        var pauseMicroseconds: Int64?
    }

    package init(_ error: any Error) {
        switch error {
        case let error as PaymentProviderError: self = .payment(PaymentFailure(error))
        case let error as PluginRefusal: self = .refusal(WireFailure.text(error.reason))
        case let error as OutboundFailure: self = .outbound(error)
        case let error as PluginSpaceFailure: self = .space(error)
        case let error as NotificationFailure: self = .notification(error)
        case let error as MailReportRefusal: self = .report(error)
        case let error as IdentityProviderError: self = .identity(error)
        case let error as SignatureRefusal: self = .signature(error)
        case let error as KeyServiceError: self = .key(error)
        case let error as FileStoreError: self = .file(error)
        case let error as PluginFolderFailure: self = .folder(error)
        case let error as ProvisionerError: self = .provisioner(error)
        case let error as SupportDeskError: self = .support(error)
        case let error as LoadingFailure: self = .loading(code: error.code, reason: WireFailure.text(error.reason))
        case is CancellationError: self = .cancelled
        default: self = .other(WireFailure.text("\(error)"))
        }
    }

    package var error: any Error {
        switch self {
        case .payment(let failure): failure.error
        case .refusal(let reason): PluginRefusal(reason)
        case .outbound(let failure): failure
        case .space(let failure): failure
        case .notification(let failure): failure
        case .report(let refusal): refusal
        case .identity(let failure): failure
        case .signature(let refusal): refusal
        case .key(let failure): failure
        case .file(let failure): failure
        case .folder(let failure): failure
        case .provisioner(let failure): failure
        case .support(let failure): failure
        case .loading(let code, let reason): LoadingFailure(code: code, reason: reason)
        case .cancelled: CancellationError()
        case .other(let text): ForeignError(description: text)
        }
    }

    private static func text(_ text: String) -> String { String(text.prefix(2_000)) }
}

extension WireFailure.PaymentFailure {
    init(_ error: PaymentProviderError) {
        switch error {
        case .forged(let text): self.init(what: .forged, text: text)
        case .stale(let text): self.init(what: .stale, text: text)
        case .malformed(let text): self.init(what: .malformed, text: text)
        case .refused(let code, let message): self.init(what: .refused, text: message, code: code)
        case .unreachable(let text): self.init(what: .unreachable, text: text)
        case .notSupported(let capability): self.init(what: .notSupported, text: capability.rawValue)
        case .rateLimited(let pause): self.init(what: .rateLimited, text: "", pauseMicroseconds: pause?.microseconds)
        @unknown default: self.init(what: .unreachable, text: "\(error)")
        }
    }
    var error: PaymentProviderError {
        switch what {
        case .forged: .forged(text)
        case .stale: .stale(text)
        case .malformed: .malformed(text)
        case .refused: .refused(code: code ?? "", message: text)
        case .unreachable: .unreachable(text)
        case .notSupported: .notSupported(PaymentCapability(rawValue: text))
        // A pause below zero or of years is no pause.
        case .rateLimited:
            .rateLimited(retryAfter: pauseMicroseconds.flatMap { (0...86_400_000_000).contains($0) ? .microseconds($0) : nil })
        }
    }
}

/// An error of the other process that is none of the kit's: only its text came.
package struct ForeignError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
}

/// Why a library was not taken, with the code under which the host refuses it.
package struct LoadingFailure: Error, Sendable, Hashable {
    package let code: String
    package let reason: String
    package init(code: String, reason: String) {
        self.code = code
        self.reason = reason
    }
}
