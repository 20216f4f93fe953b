package peers;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The job on Kafka Streams: commands and scans in, box events and plan lines out, exactly once.
 *
 * <pre>
 *   commands ──▶ registrations ──▶ ┌───────┐
 *      │                           │ boxes │ ──▶ box-events ──▶ ┌───────────┐
 *      │             scans ──────▶ └───────┘                    │ shipments │ ──▶ receiving-plan
 *      └──────────────────────────────────────────────────────▶ └───────────┘
 * </pre>
 *
 * Arguments: bootstrap servers, prefix of the inputs, prefix of the outputs (and name of the application), threads,
 * "memory" or "rocksdb", a directory for stores. With "restore" behind them it ends when its stores were read back, and
 * prints how many entries that were, and the seconds from the first to the last of them. With "station" and a topic behind
 * them it is the boxes alone: their registrations are in that topic already, and the box events are all that it writes.
 */
public final class Main {
    private Main() { }

    public static void main(String[] args) {
        String inputs = args[1];
        String outputs = args[2];
        boolean inMemory = switch (args[4]) {
            case "memory" -> true;
            case "rocksdb" -> false;
            default -> throw new IllegalArgumentException("memory or rocksdb, not " + args[4]);
        };
        String mode = args.length > 6 ? args[6] : "job";
        Topology topology = switch (mode) {
            case "job", "restore" -> topology(inputs, outputs, inMemory);
            case "station" -> station(inputs, args[7], outputs, inMemory);
            default -> throw new IllegalArgumentException("restore or station, not " + mode);
        };
        Properties config = config(args[0], outputs, Integer.parseInt(args[3]), args[5]);
        KafkaStreams streams = new KafkaStreams(topology, config);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
        if (mode.equals("restore")) {
            restore(streams);
        } else {
            streams.start();
        }
    }

    private static void restore(KafkaStreams streams) {
        Restored restored = new Restored();
        CountDownLatch running = new CountDownLatch(1);
        streams.setGlobalStateRestoreListener(restored);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                running.countDown();
            }
        });
        streams.start();
        try {
            running.await();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        double seconds = (restored.ended.get() - restored.begun.get()) / 1e9;
        System.out.printf("%d\t%.3f%n", restored.entries.get(), seconds);
        System.exit(0);
    }

    /** Counts what stores read back, and when. */
    private static final class Restored implements StateRestoreListener {
        final AtomicLong begun = new AtomicLong();
        final AtomicLong ended = new AtomicLong();
        final AtomicLong entries = new AtomicLong();

        @Override
        public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
            begun.compareAndSet(0, System.nanoTime());
        }

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long to, long count) {
            entries.addAndGet(count);
        }

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long count) {
            ended.set(System.nanoTime());
        }
    }

    private static KeyValueBytesStoreSupplier store(String name, boolean inMemory) {
        return inMemory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
    }

    private static final Serde<Change.BoxEvent> BOX_EVENTS =
            Serdes.serdeFrom((topic, event) -> event.write(), (topic, bytes) -> Change.BoxEvent.read(bytes));

    private static Topology station(String inputs, String registrations, String outputs, boolean inMemory) {
        StreamsBuilder builder = new StreamsBuilder();
        boxes(builder, inputs, registrations, outputs, inMemory);
        return builder.build();
    }

    /** Scans and registrations meet, and box events leave. */
    private static void boxes(
            StreamsBuilder builder, String inputs, String registrations, String outputs, boolean inMemory) {
        StoreBuilder<?> boxes =
                Stores.keyValueStoreBuilder(store(Boxes.STORE, inMemory), Serdes.Bytes(), Parcel.serde());
        // A cache over RocksDB saves reads and writes; over memory it would only be a second map.
        builder.addStateStore(inMemory ? boxes : boxes.withCachingEnabled());
        KStream<String, Change.BoxEvent> ofScans = builder
                .stream(inputs + "scans", Consumed.with(Serdes.Bytes(), reading(Scan::read)))
                .process(Boxes.Scans::new, Boxes.STORE);
        KStream<String, Change.BoxEvent> ofRegistrations = builder
                .stream(registrations, Consumed.with(Serdes.Bytes(), Registration.serde()))
                .process(Boxes.Registrations::new, Boxes.STORE);
        ofScans.merge(ofRegistrations).to(outputs + "box-events", Produced.with(Serdes.String(), BOX_EVENTS));
    }

    private static Topology topology(String inputs, String outputs, boolean inMemory) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Change.Command> commands = builder.stream(
                inputs + "commands", Consumed.with(Serdes.String(), reading(Change.Command::read)));
        commands.filter((id, command) -> id != null).flatMap(Main::registrations)
                .to(outputs + "registrations", Produced.with(Serdes.Bytes(), Registration.serde()));

        boxes(builder, inputs, outputs + "registrations", outputs, inMemory);

        KStream<String, Change> changes = commands.filter((id, command) -> id != null).mapValues(command -> command);
        KStream<String, Change> events = builder
                .stream(outputs + "box-events", Consumed.with(Serdes.String(), BOX_EVENTS))
                .mapValues(event -> event);
        // The cache conflates: one plan line per shipment and commit.
        changes.merge(events)
                .groupByKey()
                .aggregate(Shipment::new, (id, change, shipment) -> shipment.apply(change),
                        Materialized.<String, Shipment>as(store("shipments", inMemory))
                                .withKeySerde(Serdes.String()).withValueSerde(Shipment.serde()).withCachingEnabled())
                .toStream()
                .filter((id, shipment) -> shipment.isReady)
                .map((id, shipment) -> KeyValue.pair(shipment.fc + '|' + id, shipment.planLine(id)))
                .to(outputs + "receiving-plan", Produced.with(Serdes.String(), Serdes.ByteArray()));
        return builder.build();
    }

    private static List<KeyValue<Bytes, Registration>> registrations(String id, Change.Command command) {
        List<KeyValue<Bytes, Registration>> registrations = new ArrayList<>(command.items().size());
        for (Change.Item item : command.items()) {
            Bytes number = Bytes.wrap(item.trackingId().getBytes(StandardCharsets.ISO_8859_1));
            registrations.add(KeyValue.pair(number, new Registration(id, item.boxId())));
        }
        return registrations;
    }

    /** A serde for inputs, which are never written. */
    private static <T> Serde<T> reading(java.util.function.Function<byte[], T> read) {
        return Serdes.serdeFrom(
                (topic, value) -> {
                    throw new UnsupportedOperationException("inputs are never written");
                },
                (topic, bytes) -> read.apply(bytes));
    }

    private static Properties config(String bootstrap, String outputs, int threads, String directory) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, outputs);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.STATE_DIR_CONFIG, directory);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        // As dockside's epochs.
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        config.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        config.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        config.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        config.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 64 << 20);
        config.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 << 20);
        config.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 50);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 256L << 20);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        // Records carry the world's times, which may lie ahead.
        config.put(StreamsConfig.topicPrefix("message.timestamp.after.max.ms"), Long.toString(Long.MAX_VALUE));
        return config;
    }
}
