import PluginKit

extension ToChild {
    /// For a compliance framework; what it says of itself is in `Begun`.
    package static let evaluate = WireCall<ControlQuestion, ControlAnswer>(60)
}
