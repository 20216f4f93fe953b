package peers;

/** In the order in which one replaces another. */
enum Milestone {
    LABEL_CREATED,
    PICKED_UP,
    IN_TRANSIT,
    AT_DESTINATION,
    OUT_FOR_DELIVERY,
    ARRIVED_AT_FC,
    PARTIALLY_DELIVERED,
    DELIVERED;

    static final Milestone[] ALL = values();

    /** What a carrier's code means, or null. */
    static Milestone ofCode(String carrier, String code) {
        return switch (carrier) {
            case "UPS" -> switch (code) {
                case "M" -> LABEL_CREATED;
                case "OR" -> PICKED_UP;
                case "I", "DP", "AR" -> IN_TRANSIT;
                case "OT" -> OUT_FOR_DELIVERY;
                case "D" -> DELIVERED;
                default -> null;
            };
            case "FEDEX" -> switch (code) {
                case "OC" -> LABEL_CREATED;
                case "PU" -> PICKED_UP;
                case "IT", "AR" -> IN_TRANSIT;
                case "OD", "AD" -> OUT_FOR_DELIVERY;
                case "DL" -> DELIVERED;
                default -> null;
            };
            default -> null;
        };
    }

    /** Our own name for it, or null. */
    static Milestone ofName(String name) {
        for (Milestone milestone : ALL) {
            if (milestone.name().equals(name)) {
                return milestone;
            }
        }
        return null;
    }
}
