import Foundation
import PluginKit
import PluginWire

extension Guest {
    private func provider() throws -> any PaymentProvider { try provided(\.paymentProvider) }

    /// Every call of the kit's `PaymentProvider`.
    func addPayments(_ desk: inout WireDesk) {
        desk.on(ToChild.startCheckout) { [self] in try await provider().startCheckout($0) }
        desk.on(ToChild.openPortal) { [self] in try await provider().openPortal($0) }
        desk.on(ToChild.verify) { [self] in try provider().verify($0) }
        desk.on(ToChild.interpret) { [self] in try provider().interpret($0) }
        desk.on(ToChild.understands) { [self] in Maybe(try provider().understands($0)) }
        desk.on(ToChild.readSubscription) { [self] in try await provider().readSubscription($0) }
        desk.on(ToChild.previewChange) { [self] in try await provider().previewChange($0) }
        desk.on(ToChild.changeSubscription) { [self] in try await provider().changeSubscription($0) }
        desk.on(ToChild.cancelSubscription) { [self] in try await provider().cancelSubscription($0) }
        desk.on(ToChild.resumeSubscription) { [self] in try await provider().resumeSubscription($0) }
        desk.on(ToChild.pauseSubscription) { [self] in try await provider().pauseSubscription($0) }
        desk.on(ToChild.changeTrial) { [self] in try await provider().changeTrial($0) }
        desk.on(ToChild.readCoupon) { [self] in Maybe(try await provider().readCoupon($0)) }
        desk.on(ToChild.applyCoupon) { [self] in try await provider().applyCoupon($0) }
        desk.on(ToChild.listInvoices) { [self] in WirePage(try await provider().listInvoices($0)) }
        desk.on(ToChild.readInvoice) { [self] in try await provider().readInvoice($0) }
        desk.on(ToChild.invoicePDF) { [self] in Maybe(try await provider().invoicePDF($0)) }
        desk.on(ToChild.refund) { [self] in try await provider().refund($0) }
        desk.on(ToChild.listSubscriptions) { [self] in WirePage(try await provider().listSubscriptions($0)) }
        desk.on(ToChild.listPayments) { [self] in WirePage(try await provider().listPayments($0)) }
        desk.on(ToChild.listRefunds) { [self] in WirePage(try await provider().listRefunds($0)) }
        desk.on(ToChild.listDisputes) { [self] in WirePage(try await provider().listDisputes($0)) }
        desk.on(ToChild.listEvents) { [self] in WirePage(try await provider().listEvents($0)) }
    }
}
